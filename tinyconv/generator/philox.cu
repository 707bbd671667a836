#include "../backend/cuda/device.cuh"

// Philox4x32-10: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011, section 3.3.
struct Words { unsigned x, y, z, w; };

__device__ inline Words philox(Words c, unsigned key0, unsigned key1) {
    for (int round = 0; round < 10; ++round) {
        unsigned long long p = 0xd2511f53ull * c.x, q = 0xcd9e8d57ull * c.z;
        c = {(unsigned)(q >> 32) ^ c.y ^ key0, (unsigned)q, (unsigned)(p >> 32) ^ c.w ^ key1, (unsigned)p};
        key0 += 0x9e3779b9u;
        key1 += 0xbb67ae85u;
    }
    return c;
}

// The i-th block of words from here on; the state is the seed and the number of blocks before.
__device__ inline Words draw(const Int* state, Int i) {
    unsigned long long seed = state[0], place = state[1] + i;
    return philox({(unsigned)place, (unsigned)(place >> 32), 0, 0}, (unsigned)seed, (unsigned)(seed >> 32));
}

// Uniform numbers of [0, 1), as fine as the mantissa: four a block, or two in double precision.
template <class W> struct Units;
template <> struct Units<float> {
    float u[4];
    __device__ Units(Words v) : u{one(v.x), one(v.y), one(v.z), one(v.w)} {}
    static __device__ float one(unsigned v) { return (v >> 8) * (1.f / (1 << 24)); }
};
template <> struct Units<double> {
    double u[2];
    __device__ Units(Words v) : u{one(v.x, v.y), one(v.z, v.w)} {}
    static __device__ double one(unsigned low, unsigned high) {
        return (((unsigned long long)high << 32 | low) >> 11) * (1. / (1ll << 53));
    }
};
template <class W> __device__ constexpr Int per_block() { return sizeof(Units<W>) / sizeof(W); }

// Evenly spread over [low, high); what rounds up to high becomes low.
template <class T> __global__ void fill_uniform(T* y, Int n, const Int* state, double low, double high) {
    typedef Wide<T> W;
    const Int per = per_block<W>();
    W a = low, width = W(high) - a;
    W end = W(T(W(high)));
    for (Int i = first(); i * per < n; i += step()) {
        Units<W> v(draw(state, i));
        for (Int j = 0; j < per && i * per + j < n; ++j) {
            T number = T(a + v.u[j] * width);
            y[i * per + j] = W(number) == end ? T(a) : number;
        }
    }
}

// Pairs of r cos(pi t) and r sin(pi t): Box & Muller, Annals of Mathematical Statistics 29 (1958).
template <class T> __global__ void fill_normal(T* y, Int n, const Int* state, double mean, double std) {
    typedef Wide<T> W;
    const Int per = per_block<W>();
    for (Int i = first(); i * per < n; i += step()) {
        Units<W> v(draw(state, i));
        for (Int j = 0; j < per; j += 2) {
            W r = sqrt(-2 * log(1 - v.u[j])) * W(std), t = 2 * v.u[j + 1];
            Int at = i * per + j;
            if (at < n) y[at] = T(W(mean) + r * cospi(t));
            if (at + 1 < n) y[at + 1] = T(W(mean) + r * sinpi(t));
        }
    }
}

// The two below are the same whatever T is.

// True with probability p.
template <class T> __global__ void fill_true(bool* y, Int n, const Int* state, double p) {
    double bound = p * 4294967296.;
    for (Int i = first(); i * 4 < n; i += step()) {
        Words v = draw(state, i);
        unsigned words[4] = {v.x, v.y, v.z, v.w};
        for (Int j = 0; j < 4 && i * 4 + j < n; ++j) y[i * 4 + j] = words[j] < bound;
    }
}

// 64 random bits each.
template <class T> __global__ void fill_words(Int* y, Int n, const Int* state) {
    for (Int i = first(); i * 2 < n; i += step()) {
        Words v = draw(state, i);
        y[i * 2] = (Int)((unsigned long long)v.y << 32 | v.x);
        if (i * 2 + 1 < n) y[i * 2 + 1] = (Int)((unsigned long long)v.w << 32 | v.z);
    }
}
