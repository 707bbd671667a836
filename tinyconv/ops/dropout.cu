#include "../backend/cuda/device.cuh"

template <class T> __global__ void mask_and_scale(const T* x, const bool* keep, double scale, T* y, Int n) {
    typedef Wide<T> W;
    for (Int i = first(); i < n; i += step()) y[i] = T(W(x[i]) * (keep[i] ? W(scale) : W(0)));
}
