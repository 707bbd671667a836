#include "../backend/cuda/device.cuh"

template <class T> __global__ void erf_kernel(const T* x, T* y, Int n) {
    for (Int i = first(); i < n; i += step()) y[i] = T(erf(Wide<T>(x[i])));
}

template <class T> __global__ void erfc_kernel(const T* x, T* y, Int n) {
    for (Int i = first(); i < n; i += step()) y[i] = T(erfc(Wide<T>(x[i])));
}
