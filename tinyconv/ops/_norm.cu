#include "../backend/cuda/device.cuh"

// x is (n, c, l), as in _norm.py. Images whose channels lie side by side in memory come as (n h w, c, 1).
//
// Note [Parts]. A block takes a part of the pixels of some neighbouring channels: of one, or if l is 1 of so many that they
// fill a sector of memory. The blocks (b, 0), (b, 1), ... take the parts of the same channels. What a block finds out is
// one entry of `parts`, and whoever needs the whole adds the entries up, always in the same order: the next kernel does so
// in each of its blocks, which costs less than to start one more.
//
// Note [Handfuls]. A thread takes a few numbers at a time and measures them from the first of them. The sum of m squares
// measured from one of the numbers is at most m + 1 times the sum measured from their mean, so there is nothing to cancel,
// whatever the mean of the channel is. Handfuls are put together in double precision (Chan, Golub & LeVeque, Stanford
// STAN-CS-79-773).

const int HANDFUL = 16;
const int SOME = 8;  // numbers that a thread brings before it writes the first: memory answers late

// ── who does what ──

// The pixels that fall to a thread, all of one channel.
struct Pixels {
    Int channel;
    int count;  // how many are left
    Int at;     // the place of the next in memory; of the last one, if none is left: it may always be read
    Int p, l, over, by, turn;

    __device__ Pixels(Int n, Int c, Int l, Int width, Int span) : l(l) {
        int rows = THREADS / (int)width;
        channel = blockIdx.x * width + threadIdx.x % (int)width;
        Int begin = blockIdx.y * span + threadIdx.x / (int)width;
        Int end = min((blockIdx.y + 1) * span, n * l);
        count = channel < c && begin < end ? (int)((end - begin - 1) / rows) + 1 : 0;
        p = begin % l;
        at = (begin / l * c + channel) * l + p;
        over = rows % l, by = rows / l * c * l + over, turn = (c - 1) * l;
    }
    __device__ void next() {
        Int ahead = p + over, there = at + by;  // without branches: memory is asked for several at a time
        bool turns = ahead >= l;
        p = turns ? ahead - l : ahead;
        at = --count > 0 ? there + (turns ? turn : 0) : at;
    }
    // Tell whether this is the one thread that writes down what the channel has come to.
    __device__ bool speaks(Int c, Int width) const {
        return blockIdx.y == 0 && (Int)threadIdx.x < width && channel < c;
    }
};

// ── sums ──

// The mean of some numbers, and the sum of their squared distances from it.
struct Moments {
    double count, mean, squares;
    __device__ Moments operator+(Moments b) const {
        if (b.count == 0) return *this;
        double all = count + b.count, share = b.count / all, distance = b.mean - mean;
        return {all, mean + distance * share, squares + b.squares + distance * distance * count * share};
    }
};

struct Pair {
    double one, two;
    __device__ Pair operator+(Pair b) const { return {one + b.one, two + b.two}; }
};

// Add up what the threads have of the same channel, always in the same order; every thread gets the sum.
template <class V> __device__ V add_rows(V v, Int width) {
    __shared__ V rows[THREADS];
    __syncthreads();  // of an earlier call, everybody has read the rows
    rows[threadIdx.x] = v;
    for (int half = THREADS / 2; half >= width; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half) rows[threadIdx.x] = rows[threadIdx.x] + rows[threadIdx.x + half];
    }
    __syncthreads();
    return rows[threadIdx.x % width];
}

// Entry `part` of `parts` (parts, 2, c).
__device__ inline void note(double* parts, Int part, Int c, Int channel, double one, double two) {
    parts[2 * part * c + channel] = one;
    parts[(2 * part + 1) * c + channel] = two;
}
__device__ inline Pair noted(const double* parts, Int part, Int c, Int channel) {
    return {parts[2 * part * c + channel], parts[(2 * part + 1) * c + channel]};
}

__device__ inline Moments whole_moments(const double* parts, Int n, Int c, Int l, Int width, Int span, Int channel) {
    Moments all = {0, 0, 0};
    if (channel < c)
        for (Int part = threadIdx.x / width; part * span < n * l; part += THREADS / width) {
            Pair v = noted(parts, part, c, channel);
            all = all + Moments{(double)min(span, n * l - part * span), v.one, v.two};
        }
    return add_rows(all, width);
}

__device__ inline Pair whole_pair(const double* parts, Int count, Int c, Int width, Int channel) {
    Pair all = {0, 0};
    if (channel < c)
        for (Int part = threadIdx.x / width; part < count; part += THREADS / width)
            all = all + noted(parts, part, c, channel);
    return add_rows(all, width);
}

// ── numbers of a channel ──
// Weights and running statistics may have another type than x: `size` bytes, 2 for T (then a half type), else float or double.

template <class T> __device__ double number(const void* numbers, Int size, Int k) {
    if (size == 8) return ((const double*)numbers)[k];
    if (size == 4) return ((const float*)numbers)[k];
    return (double)Wide<T>(((const T*)numbers)[k]);
}
template <class T> __device__ void put(void* numbers, Int size, Int k, double v) {
    if (size == 8) ((double*)numbers)[k] = v;
    else if (size == 4) ((float*)numbers)[k] = (float)v;
    else ((T*)numbers)[k] = T((float)v);
}

// An element of g; 0 where y, if there is one, is not positive (and not NaN).
template <class T> __device__ Wide<T> gated(const T* g, const T* y, Int at) {
    Wide<T> v = Wide<T>(g[at]);
    return y && Wide<T>(y[at]) <= 0 ? Wide<T>(0) : v;
}

// ── kernels ──

template <class T>
__global__ void moment_parts(const T* x, double* parts, Int n, Int c, Int l, Int width, Int span) {
    typedef Wide<T> W;
    Pixels pixels(n, c, l, width, span);
    Moments all = {0, 0, 0};
    while (pixels.count > 0) {
        W v[HANDFUL], one = 0, two = 0;
        int m = min(pixels.count, HANDFUL);
#pragma unroll
        for (int i = 0; i < HANDFUL; ++i) {
            W next = W(x[pixels.at]);
            v[i] = i < m ? next : v[0];  // what is missing adds nothing
            pixels.next();
        }
#pragma unroll
        for (int i = 1; i < HANDFUL; ++i) {
            W d = v[i] - v[0];
            one += d, two += d * d;
        }
        all = all + Moments{(double)m, (double)v[0] + (double)one / m, (double)(two - one * (one / m))};
    }
    all = add_rows(all, width);
    if (threadIdx.x < width && pixels.channel < c) note(parts, blockIdx.y, c, pixels.channel, all.mean, all.squares);
}

template <class T>
__launch_bounds__(THREADS, 4)  // as many blocks fit on a multiprocessor: all of them run at a time
__global__ void normalise(const T* __restrict__ x, const double* parts, const void* w, const void* b, Int w_size, Int b_size,
                          void* running_mean, void* running_var, Int running_size, double momentum, const Int* batches,
                          double eps, Int relu, double* mean, double* rstd, T* __restrict__ y, Int n, Int c, Int l,
                          Int width, Int span) {
    typedef Wide<T> W;
    Pixels pixels(n, c, l, width, span);
    Int k = pixels.channel;
    double middle = 0, var = 1;
    if (parts) {
        Moments all = whole_moments(parts, n, c, l, width, span, k);
        middle = all.mean, var = all.squares / all.count;
        if (pixels.speaks(c, width)) {
            double new_share = batches ? 1. / (double)*batches : momentum, old_share = 1 - new_share;
            if (running_mean) {
                double old = number<T>(running_mean, running_size, k);
                put<T>(running_mean, running_size, k, old * old_share + middle * new_share);
            }
            if (running_var) {
                double old = number<T>(running_var, running_size, k), unbiased = all.squares / (all.count - 1);
                put<T>(running_var, running_size, k, old * old_share + unbiased * new_share);
            }
        }
    } else if (k < c) {
        middle = number<T>(running_mean, running_size, k), var = number<T>(running_var, running_size, k);
    }
    double scale = 1 / sqrt(var + eps), shift = 0;
    if (pixels.speaks(c, width)) mean[k] = middle, rstd[k] = scale;
    if (w && k < c) scale *= number<T>(w, w_size, k);
    if (b && k < c) shift = number<T>(b, b_size, k);
    W from = W(middle), by = W(scale), to = W(shift - (middle - (double)from) * scale);
    while (pixels.count > 0) {
        W v[SOME];
        Pixels ahead = pixels;
#pragma unroll
        for (int i = 0; i < SOME; ++i) v[i] = W(x[ahead.at]), ahead.next();
#pragma unroll
        for (int i = 0; i < SOME; ++i) {
            v[i] = (v[i] - from) * by + to;
            if (pixels.count > 0) y[pixels.at] = T(relu && v[i] < 0 ? W(0) : v[i]);
            pixels.next();
        }
    }
}

// Sums of g, and of g (x - mean), if there is an x; if there is a y, g counts where that is positive or NaN.
template <class T>
__global__ void product_parts(const T* g, const T* x, const T* y, const double* mean, double* parts, Int n, Int c, Int l,
                              Int width, Int span) {
    typedef Wide<T> W;
    Pixels pixels(n, c, l, width, span);
    bool known = x && pixels.channel < c;
    W from = known ? W(mean[pixels.channel]) : W(0);
    Pair all = {0, 0};
    while (pixels.count > 0) {
        W one = 0, two = 0;
#pragma unroll
        for (int i = 0; i < HANDFUL; ++i) {
            W v = gated(g, y, pixels.at), d = W((x ? x : g)[pixels.at]) - from;
            if (pixels.count > 0) one += v, two += v * d;
            pixels.next();
        }
        all = all + Pair{(double)one, (double)two};
    }
    if (known) all.two += ((double)from - mean[pixels.channel]) * all.one;
    all = add_rows(all, width);
    if (threadIdx.x < width && pixels.channel < c) note(parts, blockIdx.y, c, pixels.channel, all.one, all.two);
}

template <class T>
__global__ void normalise_back(const T* __restrict__ g, const T* __restrict__ x, const T* __restrict__ y,
                               const double* parts, Int count, const void* w, Int w_size, const double* mean,
                               const double* rstd, Int fixed, T* __restrict__ gx, void* gw, void* gb, Int b_size, Int n,
                               Int c, Int l, Int width, Int span) {
    typedef Wide<T> W;
    Pixels pixels(n, c, l, width, span);
    Int k = pixels.channel;
    Pair all = {0, 0};
    if (parts) all = whole_pair(parts, count, c, width, k);
    if (pixels.speaks(c, width)) {
        if (gw) put<T>(gw, w_size, k, all.two * rstd[k]);
        if (gb) put<T>(gb, b_size, k, all.one);
    }
    if (!gx || k >= c) return;
    double scale = rstd[k] * (w ? number<T>(w, w_size, k) : 1.), slope = 0, shift = 0;
    if (!fixed) {
        slope = -scale * rstd[k] * rstd[k] * all.two / ((double)n * l);
        shift = -scale * all.one / ((double)n * l);
    }
    W from = W(mean[k]), by_g = W(scale), by_x = W(slope), to = W(shift + ((double)from - mean[k]) * slope);
    while (pixels.count > 0) {
        W v[SOME], d[SOME];
        Pixels ahead = pixels;
#pragma unroll
        for (int i = 0; i < SOME; ++i) {
            v[i] = gated(g, y, ahead.at), d[i] = W(x[ahead.at]) - from;
            ahead.next();
        }
#pragma unroll
        for (int i = 0; i < SOME; ++i) {
            if (pixels.count > 0) gx[pixels.at] = T(v[i] * by_g + (d[i] * by_x + to));
            pixels.next();
        }
    }
}

// The sums that `product_parts` has noted.
template <class T>
__global__ void channel_sums(const double* parts, Int count, void* sums, Int size, Int c, Int width) {
    Int channel = blockIdx.x * width + threadIdx.x % width;
    Pair all = whole_pair(parts, count, c, width, channel);
    if (threadIdx.x < width && channel < c) put<T>(sums, size, channel, all.one);
}
