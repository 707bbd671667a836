#include "../../backend/cuda/device.cuh"

// A convolution is a product of matrices, left (m, k) times right (k, n), one pair for each group:
//
//              left              right                              product
//   forward    w [f, c a b]      x under tap (c a b) of window n    y [f, n]
//   input      w [c, f a b]      gy of the window whose tap is n    gx [c, n]
//   weight     gy [f, k]         x under tap (c a b) of window k    gw [f, c a b]
//
// The matrix of windows is never written down: what it holds is looked up when a tile of it is brought into shared
// memory. A block computes TILE x TILE of the product, a thread SIDE x SIDE, in the order of k: there are no atomics,
// and the bits are the same every time.

const int TILE = 64, DEPTH = 16, SIDE = 4, PITCH = TILE + 4;  // the pitch keeps rows off one another's memory banks

struct Geometry {
    Int images;
    int c, h, w, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups;  // c and f: channels of one group
};

__device__ inline Geometry geometry(Int n, Int c, Int h, Int w, Int f, Int oh, Int ow, Int kh, Int kw, Int sh, Int sw,
                                    Int ph, Int pw, Int dh, Int dw, Int groups) {
    return {n, (int)(c / groups), (int)h, (int)w, (int)(f / groups), (int)oh, (int)ow, (int)kh, (int)kw, (int)sh,
            (int)sw, (int)ph, (int)pw, (int)dh, (int)dw, (int)groups};
}

// A pixel of a batch of images; one that is past the end of the batch has none of its taps inside.
struct Pixel {
    Int image;
    int i, j;
    bool real;
};

__device__ inline Pixel pixel(Int at, Int images, int h, int w) {
    Int row = at / w;
    return {row / h, (int)(row % h), (int)(at % w), row / h < images};
}

// A tap of a filter in one of its channels.
struct Tap {
    int channel, a, b;
    bool real;
};

__device__ inline Tap tap(int at, int channels, int kh, int kw) {
    int row = at / kw;
    return {row / kh, row % kh, at % kw, row / kh < channels};
}

__device__ inline bool inside(int at, int size) { return 0 <= at && at < size; }

// What of x lies under a tap of the window at a pixel of y.
template <class T> __device__ inline Wide<T> under(const T* x, const Geometry& g, int group, Tap t, Pixel p) {
    int i = p.i * g.sh + t.a * g.dh - g.ph, j = p.j * g.sw + t.b * g.dw - g.pw;
    if (!(t.real && p.real && inside(i, g.h) && inside(j, g.w))) return 0;
    return x[((p.image * g.groups * g.c + group * g.c + t.channel) * g.h + i) * g.w + j];
}

// The gradient of the window that has a tap on a pixel of x, if there is one.
template <class T> __device__ inline Wide<T> above(const T* gy, const Geometry& g, int group, Tap t, Pixel p) {
    int i = p.i + g.ph - t.a * g.dh, j = p.j + g.pw - t.b * g.dw;
    if (!(t.real && p.real && i >= 0 && j >= 0 && i % g.sh == 0 && j % g.sw == 0)) return 0;
    i /= g.sh, j /= g.sw;
    if (i >= g.oh || j >= g.ow) return 0;
    return gy[((p.image * g.groups * g.f + group * g.f + t.channel) * g.oh + i) * g.ow + j];
}

// ── the three products: what stands in row k and column n, and where an element of the result goes ──

template <class T> struct Forward {
    typedef Tap Row;
    typedef Pixel Column;
    static const bool DOWN = false;  // neighbours in memory are neighbours in a row of the right matrix
    const T *x, *w;
    T* y;
    Geometry g;
    int group;

    __device__ Int rows() const { return g.f; }
    __device__ Int columns() const { return g.images * g.oh * g.ow; }
    __device__ Int depth() const { return (Int)g.c * g.kh * g.kw; }
    __device__ Row row(Int k) const { return tap((int)k, g.c, g.kh, g.kw); }
    __device__ Column column(Int n) const { return pixel(n, g.images, g.oh, g.ow); }
    __device__ Wide<T> left(Int m, Int k, Row) const { return w[(group * g.f + m) * depth() + k]; }
    __device__ Wide<T> right(Row r, Column c) const { return under(x, g, group, r, c); }
    __device__ void put(Int m, Int, Column c, Wide<T> v, Int) const {
        y[((c.image * g.groups * g.f + group * g.f + m) * g.oh + c.i) * g.ow + c.j] = T(v);
    }
};

template <class T> struct Input {
    typedef Tap Row;
    typedef Pixel Column;
    static const bool DOWN = false;
    const T *gy, *w;
    T* gx;
    Geometry g;
    int group;

    __device__ Int rows() const { return g.c; }
    __device__ Int columns() const { return g.images * g.h * g.w; }
    __device__ Int depth() const { return (Int)g.f * g.kh * g.kw; }
    __device__ Row row(Int k) const { return tap((int)k, g.f, g.kh, g.kw); }
    __device__ Column column(Int n) const { return pixel(n, g.images, g.h, g.w); }
    __device__ Wide<T> left(Int m, Int, Row r) const {
        return w[((((Int)group * g.f + r.channel) * g.c + m) * g.kh + r.a) * g.kw + r.b];
    }
    __device__ Wide<T> right(Row r, Column c) const { return above(gy, g, group, r, c); }
    __device__ void put(Int m, Int, Column c, Wide<T> v, Int) const {
        gx[((c.image * g.groups * g.c + group * g.c + m) * g.h + c.i) * g.w + c.j] = T(v);
    }
};

template <class T> struct Weight {
    typedef Pixel Row;
    typedef Tap Column;
    static const bool DOWN = true;
    const T *x, *gy;
    Wide<T>* parts;
    Geometry g;
    int group;

    __device__ Int rows() const { return g.f; }
    __device__ Int columns() const { return (Int)g.c * g.kh * g.kw; }
    __device__ Int depth() const { return g.images * g.oh * g.ow; }
    __device__ Row row(Int k) const { return pixel(k, g.images, g.oh, g.ow); }
    __device__ Column column(Int n) const { return tap((int)n, g.c, g.kh, g.kw); }
    __device__ Wide<T> left(Int m, Int, Row r) const {
        return gy[((r.image * g.groups * g.f + group * g.f + m) * g.oh + r.i) * g.ow + r.j];
    }
    __device__ Wide<T> right(Row r, Column c) const { return under(x, g, group, c, r); }
    __device__ void put(Int m, Int n, Column, Wide<T> v, Int part) const {
        parts[((part * g.groups + group) * g.f + m) * columns() + n] = v;
    }
};

// ── one of them, tile by tile; the sum over k may be cut into parts ──

template <class T, class Map> __device__ void multiply(Map map, Int parts) {
    typedef Wide<T> W;
    alignas(16) __shared__ W left[DEPTH][PITCH], right[DEPTH][PITCH];
    const int me = threadIdx.x, down = me % DEPTH, along = me / DEPTH;  // this thread's place while it brings a tile
    const int ty = me / (TILE / SIDE) * SIDE, tx = me % (TILE / SIDE) * SIDE;  // and while it multiplies
    const Int m_tiles = (map.rows() + TILE - 1) / TILE, n_tiles = (map.columns() + TILE - 1) / TILE;
    const Int length = (map.depth() + parts - 1) / parts, tiles = m_tiles * n_tiles * map.g.groups * parts;

    for (Int at = blockIdx.x; at < tiles; at += gridDim.x) {
        const Int m0 = at % m_tiles * TILE, n0 = at / m_tiles % n_tiles * TILE;
        const Int rest = at / m_tiles / n_tiles, part = rest / map.g.groups;
        const Int begin = part * length, end = begin + length < map.depth() ? begin + length : map.depth();
        map.group = (int)(rest % map.g.groups);

        typename Map::Column mine[Map::DOWN ? SIDE : 1];  // the columns of which this thread brings elements
        for (int i = 0; i < (Map::DOWN ? SIDE : 1); ++i)
            mine[i] = map.column(n0 + (Map::DOWN ? along + i * DEPTH : me % TILE));
        W sum[SIDE][SIDE] = {}, l[SIDE], r[SIDE];

        auto fetch = [&](Int k0) {
            const Int k = k0 + down;
            const typename Map::Row row = map.row(k);
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                const Int m = m0 + along + i * DEPTH;
                l[i] = m < map.rows() && k < end ? map.left(m, k, row) : W(0);
                if (Map::DOWN) {
                    r[i] = k < end ? map.right(row, mine[i % (Map::DOWN ? SIDE : 1)]) : W(0);
                } else {
                    const Int across = k0 + me / TILE + i * (THREADS / TILE);
                    r[i] = across < end ? map.right(map.row(across), mine[0]) : W(0);
                }
            }
        };
        fetch(begin);
        for (Int k0 = begin; k0 < end; k0 += DEPTH) {
#pragma unroll
            for (int i = 0; i < SIDE; ++i) {
                left[down][along + i * DEPTH] = l[i];
                if (Map::DOWN) right[down][along + i * DEPTH] = r[i];
                else right[me / TILE + i * (THREADS / TILE)][me % TILE] = r[i];
            }
            __syncthreads();
            if (k0 + DEPTH < end) fetch(k0 + DEPTH);  // is under way while this tile is multiplied
#pragma unroll
            for (int k = 0; k < DEPTH; ++k)
#pragma unroll
                for (int i = 0; i < SIDE; ++i)
#pragma unroll
                    for (int j = 0; j < SIDE; ++j) sum[i][j] += left[k][ty + i] * right[k][tx + j];
            __syncthreads();
        }
        for (int j = 0; j < SIDE; ++j) {
            const Int n = n0 + tx + j;
            if (n >= map.columns()) break;
            const typename Map::Column column = map.column(n);
            for (int i = 0; i < SIDE && m0 + ty + i < map.rows(); ++i) map.put(m0 + ty + i, n, column, sum[i][j], part);
        }
    }
}

template <class T>
__global__ void forward_tiles(const T* x, const T* w, T* y, Int n, Int c, Int h, Int width, Int f, Int oh, Int ow,
                              Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw, Int groups) {
    Geometry g = geometry(n, c, h, width, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups);
    multiply<T>(Forward<T>{x, w, y, g, 0}, 1);
}

template <class T>
__global__ void input_tiles(const T* gy, const T* w, T* gx, Int n, Int c, Int h, Int width, Int f, Int oh, Int ow,
                            Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw, Int groups) {
    Geometry g = geometry(n, c, h, width, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups);
    multiply<T>(Input<T>{gy, w, gx, g, 0}, 1);
}

// parts (parts, f, c/groups kh kw) are in Wide<T>
template <class T>
__global__ void weight_tiles(const T* x, const T* gy, void* sums, Int parts, Int n, Int c, Int h, Int width, Int f,
                             Int oh, Int ow, Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw,
                             Int groups) {
    Geometry g = geometry(n, c, h, width, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups);
    multiply<T>(Weight<T>{x, gy, (Wide<T>*)sums, g, 0}, parts);
}

// ── groups of few channels, of which a tile would be mostly empty: a thread or a block for each element ──

template <class T>
__global__ void forward_narrow(const T* x, const T* w, T* y, Int n, Int c, Int h, Int width, Int f, Int oh, Int ow,
                               Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw, Int groups) {
    Geometry g = geometry(n, c, h, width, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups);
    for (Int at = first(); at < n * f * oh * ow; at += step()) {
        Pixel p = pixel(at, n * f, g.oh, g.ow);
        int out = (int)(p.image % f);
        p.image /= f;
        const T* filter = w + (Int)out * g.c * g.kh * g.kw;
        Wide<T> sum = 0;
        for (int k = 0; k < g.c * g.kh * g.kw; ++k)
            sum += Wide<T>(filter[k]) * under(x, g, out / g.f, tap(k, g.c, g.kh, g.kw), p);
        y[at] = T(sum);
    }
}

template <class T>
__global__ void input_narrow(const T* gy, const T* w, T* gx, Int n, Int c, Int h, Int width, Int f, Int oh, Int ow,
                             Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw, Int groups) {
    Geometry g = geometry(n, c, h, width, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups);
    for (Int at = first(); at < n * c * h * width; at += step()) {
        Pixel p = pixel(at, n * c, g.h, g.w);
        int in = (int)(p.image % c), group = in / g.c, taps = g.kh * g.kw;
        p.image /= c;
        Wide<T> sum = 0;
        for (int k = 0; k < g.f * taps; ++k) {
            Tap t = tap(k, g.f, g.kh, g.kw);
            Int filter = ((Int)group * g.f + t.channel) * g.c + in % g.c;
            sum += Wide<T>(w[filter * taps + k % taps]) * above(gy, g, group, t, p);
        }
        gx[at] = T(sum);
    }
}

template <class T>
__global__ void weight_narrow(const T* x, const T* gy, T* gw, Int n, Int c, Int h, Int width, Int f, Int oh, Int ow,
                              Int kh, Int kw, Int sh, Int sw, Int ph, Int pw, Int dh, Int dw, Int groups) {
    Geometry g = geometry(n, c, h, width, f, oh, ow, kh, kw, sh, sw, ph, pw, dh, dw, groups);
    const int taps = g.c * g.kh * g.kw;
    for (Int at = blockIdx.x; at < f * taps; at += gridDim.x) {
        const Int out = at / taps;
        const Tap t = tap((int)(at % taps), g.c, g.kh, g.kw);
        Wide<T> sum = 0;
        for (Int k = threadIdx.x; k < n * oh * ow; k += THREADS) {
            const Pixel p = pixel(k, n, g.oh, g.ow);
            sum += Wide<T>(gy[((p.image * f + out) * oh + p.i) * ow + p.j]) * under(x, g, (int)(out / g.f), t, p);
        }
        sum = block_sum(sum);
        if (threadIdx.x == 0) gw[at] = T(sum);
    }
}
