#include "../backend/cuda/device.cuh"

// Where adaptive window i begins, of so many that divide `size` elements; it ends at end().
__device__ inline Int begin(Int i, Int size, Int windows) { return i * size / windows; }
__device__ inline Int end(Int i, Int size, Int windows) { return ((i + 1) * size + windows - 1) / windows; }

// x is (planes, d, h, w), at (planes, od, oh, ow). The first of equals wins, NaN beats everything.
template <class T>
__global__ void largest_places(const T* x, Int* at, Int count, Int d, Int h, Int w, Int od, Int oh, Int ow) {
    for (Int n = first(); n < count; n += step()) {
        Int k = n % ow, j = n / ow % oh, i = n / ow / oh % od;
        const T* volume = x + n / ow / oh / od * d * h * w;
        Int winner = (begin(i, d, od) * h + begin(j, h, oh)) * w + begin(k, w, ow);
        Wide<T> best = Wide<T>(volume[winner]);
        for (Int a = begin(i, d, od); a < end(i, d, od); ++a)
            for (Int b = begin(j, h, oh); b < end(j, h, oh); ++b)
                for (Int c = begin(k, w, ow); c < end(k, w, ow); ++c) {
                    Int place = (a * h + b) * w + c;
                    Wide<T> value = Wide<T>(volume[place]);
                    if (value > best || (value != value && best == best)) best = value, winner = place;
                }
        at[n] = winner;
    }
}
