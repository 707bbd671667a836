#include "../backend/cuda/device.cuh"

template <class T> __global__ void rectify(const T* x, T* y, Int n) {
    for (Int i = first(); i < n; i += step()) {
        Wide<T> v = Wide<T>(x[i]);
        y[i] = v < 0 ? T(0.f) : x[i];
    }
}

template <class T> __global__ void pass_positive(const T* g, const T* y, T* gx, Int n) {
    for (Int i = first(); i < n; i += step()) gx[i] = Wide<T>(y[i]) <= 0 ? T(0.f) : g[i];
}
