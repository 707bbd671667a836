#include "../backend/cuda/device.cuh"

const int SOME = 8;  // numbers that a thread brings before it writes the first: memory answers late

// y is (n, c, l); channels that lie side by side in memory come as (n h w, c, 1).
template <class T> __global__ void shift_channels(T* y, const T* b, Int relu, Int n, Int c, Int l) {
    Int size = n * c * l;
    for (Int begin = first(); begin < size; begin += SOME * step()) {
        Wide<T> v[SOME];
#pragma unroll
        for (int s = 0; s < SOME; ++s) v[s] = Wide<T>(y[min(begin + s * step(), size - 1)]);
#pragma unroll
        for (int s = 0; s < SOME; ++s) {
            Int i = begin + s * step();
            v[s] += Wide<T>(b[min(i, size - 1) / l % c]);
            if (i < size) y[i] = T(relu && v[s] < 0 ? Wide<T>(0) : v[s]);
        }
    }
}
