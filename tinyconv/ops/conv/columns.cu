#include "../../backend/cuda/device.cuh"

// x (n, c, h, w) and its columns (c kh kw, n, oh ow)

// The last index of a place, which is left without it.
__device__ inline Int last(Int& place, Int size) {
    Int index = place % size;
    place /= size;
    return index;
}

template <class T>
__global__ void unfold_windows(const T* x, T* columns, Int n, Int c, Int h, Int w, Int oh, Int ow, Int kh, Int kw,
                               Int sh, Int sw, Int ph, Int pw, Int dh, Int dw) {
    for (Int at = first(); at < c * kh * kw * n * oh * ow; at += step()) {
        Int place = at, j = last(place, ow), i = last(place, oh), image = last(place, n);
        Int b = last(place, kw), a = last(place, kh), channel = place;
        Int y = i * sh + a * dh - ph, z = j * sw + b * dw - pw;
        bool inside = y >= 0 && y < h && z >= 0 && z < w;
        columns[at] = inside ? x[((image * c + channel) * h + y) * w + z] : T(0.f);
    }
}

// A thread gathers what falls on its element of x.
template <class T>
__global__ void fold_windows(const T* columns, T* x, Int n, Int c, Int h, Int w, Int oh, Int ow, Int kh, Int kw,
                             Int sh, Int sw, Int ph, Int pw, Int dh, Int dw) {
    for (Int at = first(); at < n * c * h * w; at += step()) {
        Int place = at, z = last(place, w), y = last(place, h), channel = last(place, c), image = place;
        Wide<T> sum = 0;
        for (Int a = 0; a < kh; ++a) {
            Int i = y + ph - a * dh;
            if (i < 0 || i % sh || i / sh >= oh) continue;
            for (Int b = 0; b < kw; ++b) {
                Int j = z + pw - b * dw;
                if (j < 0 || j % sw || j / sw >= ow) continue;
                Int row = (channel * kh + a) * kw + b;
                sum += Wide<T>(columns[((row * n + image) * oh + i / sh) * ow + j / sw]);
            }
        }
        x[at] = T(sum);
    }
}
