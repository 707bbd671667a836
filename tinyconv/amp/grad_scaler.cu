#include "../backend/cuda/device.cuh"

// Whatever its order in memory: threads that find something all write the same.
template <class T> __global__ void unscale(T* g, const float* inverse, float* found, Int n) {
    Wide<T> factor = inverse[0];
    bool bad = false;
    for (Int i = first(); i < n; i += step()) {
        Wide<T> v = Wide<T>(g[i]);
        bad = bad || v - v != 0;  // infinities less themselves are NaN
        g[i] = T(v * factor);
    }
    if (bad) found[0] = 1.f;
}

template <class T>
__global__ void adapt(const T* found, float* scale, int* tracker, double growth, double backoff, Int interval) {
    if (first() != 0) return;
    bool bad = Wide<T>(found[0]) > 0, due = tracker[0] + 1 == interval;
    float grown = float(scale[0] * growth), fallen = float(scale[0] * backoff);
    if (bad) scale[0] = fallen;
    else if (due && grown - grown == 0) scale[0] = grown;
    tracker[0] = bad || due ? 0 : tracker[0] + 1;
}
