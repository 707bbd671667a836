#include "../backend/cuda/device.cuh"

// x is (planes, h, w, c), y and `where` (planes, oh, ow, c); c is 1 unless the channels lie side by side in memory.
// A thread gathers what its element needs, in the order of the taps or of the windows: the bits are the same every time.

const int SOME = 4;  // numbers that a thread brings before it looks at the first: memory answers late

// The last index of a place, which is left without it.
__device__ inline int last(Int& place, Int size) {
    Int rest = place / size;
    int index = (int)(place - rest * size);
    place = rest;
    return index;
}

// An element of planes with this many rows, columns and channels.
struct Place {
    int k, j, i;
    Int plane;
    __device__ Place(Int at, Int h, Int w, Int c) {
        k = last(at, c), j = last(at, w), i = last(at, h), plane = at;
    }
};

// One axis: so many elements, and the windows that move over them.
struct Axis {
    int size, windows, taps, stride, padding, dilation;

    __device__ Axis(Int size, Int windows, Int taps, Int stride, Int padding, Int dilation)
        : size((int)size), windows((int)windows), taps((int)taps), stride((int)stride), padding((int)padding),
          dilation((int)dilation) {}
    // Where a window begins; it may hang over the edges.
    __device__ int begin(int window) const { return window * stride - padding; }
    // The windows over an element are among these.
    __device__ int first_over(int i) const {
        int beyond = i + padding - (taps - 1) * dilation;
        return beyond > 0 ? (beyond + stride - 1) / stride : 0;
    }
    __device__ int last_over(int i) const { return min((i + padding) / stride, windows - 1); }
    // The tap of a window that lies on an element, or -1.
    __device__ int tap(int window, int i) const {
        int way = i - begin(window);
        return dilation == 1 ? way : way % dilation ? -1 : way / dilation;
    }
    // How many elements count for the average under a window.
    __device__ int counted(int window, bool padded) const {
        int start = begin(window), end = min(start + taps, size + padding);
        return padded ? end - start : min(end, size) - max(start, 0);
    }
};

template <class T>
__global__ void pool_max(const T* x, T* y, void* where, Int bytes, Int planes, Int h, Int w, Int c, Int oh, Int ow, Int kh,
                         Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw) {
    typedef Wide<T> W;
    Axis rows(h, oh, kh, sh, ph, dh), cols(w, ow, kw, sw, pw, dw);
    for (Int at = first(); at < planes * oh * ow * c; at += step()) {
        Place place(at, oh, ow, c);
        const T* plane = x + place.plane * h * w * c + place.k;
        int top = rows.begin(place.i), left = cols.begin(place.j), a = 0, b = 0, winner = -1;
        W best = 0;
        for (int tap = 0; tap < rows.taps * cols.taps; tap += SOME) {
            W v[SOME];
            bool inside[SOME];
#pragma unroll
            for (int s = 0; s < SOME; ++s) {
                int i = top + a * rows.dilation, j = left + b * cols.dilation;
                inside[s] = a < rows.taps && i >= 0 && i < rows.size && j >= 0 && j < cols.size;
                v[s] = W(plane[inside[s] ? (i * w + j) * c : 0]);
                b = b + 1 < cols.taps ? b + 1 : 0, a += b == 0;
            }
#pragma unroll
            for (int s = 0; s < SOME; ++s)
                if (inside[s] && (winner < 0 || v[s] > best || (v[s] != v[s] && best == best)))
                    best = v[s], winner = tap + s;
        }
        y[at] = T(best);
        if (bytes == 1) ((unsigned char*)where)[at] = (unsigned char)winner;
        else ((int*)where)[at] = winner;
    }
}

template <class T>
__global__ void unpool_max(const T* gy, const void* where, Int bytes, T* gx, Int planes, Int h, Int w, Int c, Int oh,
                           Int ow, Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw) {
    Axis rows(h, oh, kh, sh, ph, dh), cols(w, ow, kw, sw, pw, dw);
    for (Int at = first(); at < planes * h * w * c; at += step()) {
        Place place(at, h, w, c);
        int right = cols.last_over(place.j), bottom = rows.last_over(place.i), left = cols.first_over(place.j);
        Wide<T> sum = 0;
        for (int r = rows.first_over(place.i); r <= bottom; ++r) {
            int a = rows.tap(r, place.i);
            Int row = (place.plane * oh + r) * ow;
            for (int q = left; q <= right && a >= 0; ++q) {
                Int from = (row + q) * c + place.k;
                int b = cols.tap(q, place.j);
                int winner = bytes == 1 ? ((const unsigned char*)where)[from] : ((const int*)where)[from];
                Wide<T> g = Wide<T>(gy[from]);
                sum += b >= 0 && winner == a * cols.taps + b ? g : Wide<T>(0);
            }
        }
        gx[at] = T(sum);
    }
}

template <class T>
__global__ void pool_mean(const T* x, T* y, Int padded, double divisor, Int planes, Int h, Int w, Int c, Int oh, Int ow,
                          Int kh, Int kw, Int sh, Int sw, Int ph, Int pw) {
    Axis rows(h, oh, kh, sh, ph, 1), cols(w, ow, kw, sw, pw, 1);
    for (Int at = first(); at < planes * oh * ow * c; at += step()) {
        Place place(at, oh, ow, c);
        const T* plane = x + place.plane * h * w * c + place.k;
        int top = rows.begin(place.i), left = cols.begin(place.j);
        Wide<T> sum = 0;
        for (int i = max(top, 0); i < min(top + rows.taps, rows.size); ++i)
            for (int j = max(left, 0); j < min(left + cols.taps, cols.size); ++j) sum += Wide<T>(plane[(i * w + j) * c]);
        double count = divisor != 0 ? divisor : (double)rows.counted(place.i, padded) * cols.counted(place.j, padded);
        y[at] = T(sum / Wide<T>(count));
    }
}

template <class T>
__global__ void unpool_mean(const T* gy, T* gx, Int padded, double divisor, Int planes, Int h, Int w, Int c, Int oh, Int ow,
                            Int kh, Int kw, Int sh, Int sw, Int ph, Int pw) {
    Axis rows(h, oh, kh, sh, ph, 1), cols(w, ow, kw, sw, pw, 1);
    for (Int at = first(); at < planes * h * w * c; at += step()) {
        Place place(at, h, w, c);
        int right = cols.last_over(place.j), bottom = rows.last_over(place.i), left = cols.first_over(place.j);
        Wide<T> sum = 0;
        for (int r = rows.first_over(place.i); r <= bottom; ++r)
            for (int q = left; q <= right; ++q) {
                double count = divisor != 0 ? divisor : (double)rows.counted(r, padded) * cols.counted(q, padded);
                sum += Wide<T>(gy[((place.plane * oh + r) * ow + q) * c + place.k]) / Wide<T>(count);
            }
        gx[at] = T(sum);
    }
}
