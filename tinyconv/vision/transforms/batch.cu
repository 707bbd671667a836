#include "../../backend/cuda/device.cuh"

// One thread per pixel of y (n, c, oh, ow). Pixels and channels of x and of y are so many elements apart.
template <class T>
__global__ void redraw(const T* table, const unsigned char* x, const int* source, const int* places, T* y, Int n,
                       Int c, Int oh, Int ow, Int width, Int side, Int image, Int xc, Int xp, Int yc, Int yp) {
    for (Int i = first(); i < n * oh * ow; i += step()) {
        Int q = i % ow, r = i / ow % oh, k = i / (oh * ow);
        const int* place = places + 5 * k;
        Int at = source[(place[0] + r) * width + place[1] + (place[2] ? ow - 1 - q : q)];
        bool cut = r >= place[3] && r < place[3] + side && q >= place[4] && q < place[4] + side;
        const unsigned char* from = x + k * image + at * xp;
        T* to = y + k * c * oh * ow + (r * ow + q) * yp;
        for (Int j = 0; j < c; ++j)
            to[j * yc] = cut ? T(0.f) : table[257 * j + (at < 0 ? 256 : (Int)from[j * xc])];
    }
}
