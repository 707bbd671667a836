#include "../backend/cuda/device.cuh"

// out[a, index[i], b] += g[a, i, b], where ``keys`` are the indices in order, each with its i in the lower half. The first of
// equal ones adds them all up, in the order of i: no two threads write to one number, and the sum is the same each time.
template <class T> __global__ void add_slices(const T* g, const Int* keys, T* out, Int n, Int rows, Int lead, Int trail) {
    Int columns = lead * trail;
    for (Int w = first(); w < n * columns; w += step()) {
        Int p = w / columns, a = w % columns / trail, b = w % trail;
        Int row = keys[p] >> 32;
        if ((p > 0 && keys[p - 1] >> 32 == row) || row < 0 || row >= rows) continue;
        Int to = (a * rows + row) * trail + b;
        Wide<T> sum = out[to];
        for (; p < n && keys[p] >> 32 == row; ++p) sum += Wide<T>(g[(a * n + (keys[p] & 0xffffffff)) * trail + b]);
        out[to] = T(sum);
    }
}
