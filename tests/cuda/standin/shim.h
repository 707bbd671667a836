// CUDA C++ on a CPU, for tests. A block runs after the other; its threads are fibers, and one that waits for the others
// (at a barrier, in a shuffle) lets the next one run.
#pragma once
#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __grid_constant__
#define __shared__ static
#define __constant__ static
#define __launch_bounds__(...)

using std::cos;
using std::erf;
using std::erfc;
using std::exp;
using std::fabs;
using std::log;
using std::max;
using std::min;
using std::pow;
using std::sin;
using std::sqrt;  // and those above: of a float a float, as in CUDA
using std::tanh;

struct dim3 {
    unsigned x, y, z;
};
static dim3 gridDim, blockDim, blockIdx, threadIdx;

namespace shim {

const size_t STACK = 128 << 10;

struct Fiber {
    ucontext_t start;
    jmp_buf here;
    char* stack;
    bool begun, done;
};

static std::vector<Fiber> fibers;
static jmp_buf home;
static int current;
static void (*body)(void**);
static void** arguments;
static unsigned long long slots[1024];

inline void enter() {
    body(arguments);
    fibers[current].done = true;
    _longjmp(home, 1);
}

// Let every other thread of the block run up to where it waits too.
inline void wait() {
    int me = current;
    if (!_setjmp(fibers[me].here)) _longjmp(home, 1);
}

inline void resume(int i) {
    current = i;
    threadIdx = {i % blockDim.x, i / blockDim.x % blockDim.y, i / (blockDim.x * blockDim.y)};
    if (_setjmp(home)) return;
    if (fibers[i].begun) _longjmp(fibers[i].here, 1);
    fibers[i].begun = true;
    setcontext(&fibers[i].start);
}

inline void run_block(int threads) {
    while ((int)fibers.size() < threads) fibers.push_back({{}, {}, (char*)malloc(STACK), false, false});
    for (int i = 0; i < threads; ++i) {
        Fiber& f = fibers[i];
        f.begun = f.done = false;
        getcontext(&f.start);
        f.start.uc_stack.ss_sp = f.stack;
        f.start.uc_stack.ss_size = STACK;
        f.start.uc_link = nullptr;
        makecontext(&f.start, enter, 0);
    }
    for (int left = threads; left;) {
        left = 0;
        for (int i = 0; i < threads; ++i) {
            if (fibers[i].done) continue;
            resume(i);
            left += !fibers[i].done;
        }
    }
}

inline void launch(const unsigned* grid, const unsigned* block, void (*f)(void**), void** args) {
    gridDim = {grid[0], grid[1], grid[2]};
    blockDim = {block[0], block[1], block[2]};
    body = f;
    arguments = args;
    for (unsigned z = 0; z < grid[2]; ++z)
        for (unsigned y = 0; y < grid[1]; ++y)
            for (unsigned x = 0; x < grid[0]; ++x) {
                blockIdx = {x, y, z};
                run_block(block[0] * block[1] * block[2]);
            }
}

// The value that thread ``from`` of this thread's warp has brought.
template <class T> T exchange(T v, int from) {
    int me = current;
    std::memcpy(&slots[me], &v, sizeof(T));
    wait();
    std::memcpy(&v, &slots[me - me % 32 + from], sizeof(T));
    wait();
    return v;
}

}  // namespace shim

inline void __syncthreads() { shim::wait(); }
inline void __syncwarp(unsigned = ~0u) { shim::wait(); }
template <class T> T __shfl_sync(unsigned, T v, int from, int = 32) { return shim::exchange(v, from % 32); }
template <class T> T __shfl_xor_sync(unsigned, T v, int o, int = 32) {
    return shim::exchange(v, shim::current % 32 ^ o);
}
template <class T> T __shfl_down_sync(unsigned, T v, int o, int = 32) {
    int lane = shim::current % 32;
    return shim::exchange(v, lane + o < 32 ? lane + o : lane);
}
template <class T> T atomicAdd(T* p, T v) {
    T old = *p;
    *p = old + v;
    return old;
}
template <class T> T atomicMax(T* p, T v) {
    T old = *p;
    *p = max(old, v);
    return old;
}
template <class T> T atomicExch(T* p, T v) {
    T old = *p;
    *p = v;
    return old;
}
template <class T> T __ldg(const T* p) { return *p; }

template <class To, class From> To shim_bits(From v) {
    To to;
    std::memcpy(&to, &v, sizeof(To));
    return to;
}
inline float __int_as_float(int v) { return shim_bits<float>(v); }
inline int __float_as_int(float v) { return shim_bits<int>(v); }
inline double __longlong_as_double(long long v) { return shim_bits<double>(v); }
inline unsigned __umulhi(unsigned a, unsigned b) { return (unsigned)((unsigned long long)a * b >> 32); }
inline float rsqrtf(float x) { return 1.f / sqrtf(x); }
inline double rsqrt(double x) { return 1. / sqrt(x); }
inline float rsqrt(float x) { return 1.f / sqrtf(x); }
template <class W> W cospi(W x) { return cos(W(M_PI) * x); }
template <class W> W sinpi(W x) { return sin(W(M_PI) * x); }

// The half types: stored in 16 bits, rounded to the nearest, ties to even.
struct __nv_bfloat16 {
    unsigned short bits;
    __nv_bfloat16() = default;
    __nv_bfloat16(float v) {
        unsigned u = shim_bits<unsigned>(v);
        bits = v != v ? 0x7fc0 : (unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16);
    }
    operator float() const { return shim_bits<float>((unsigned)bits << 16); }
};
struct __half {
    unsigned short bits;
    __half() = default;
    __half(float v) {
        unsigned u = shim_bits<unsigned>(v), sign = u >> 16 & 0x8000;
        u &= 0x7fffffff;
        if (u > 0x7f800000) bits = sign | 0x7e00;                  // NaN
        else if (u >= 0x477ff000) bits = sign | 0x7c00;            // rounds to infinity
        else if (u < 0x38800000)                                   // subnormal: let the addition round
            bits = sign | (unsigned short)(shim_bits<unsigned>(shim_bits<float>(u) + 0.5f) - 0x3f000000);
        else bits = sign | (unsigned short)((u - 0x38000000 + 0xfff + (u >> 13 & 1)) >> 13);
    }
    operator float() const {
        unsigned sign = (unsigned)(bits & 0x8000) << 16, rest = bits & 0x7fff;
        float v = rest >= 0x7c00 ? shim_bits<float>(rest << 13 | 0x7f800000)
                  : rest < 0x400 ? rest * 0x1p-24f
                                 : shim_bits<float>((rest << 13) + 0x38000000);
        return shim_bits<float>(shim_bits<unsigned>(v) | sign);
    }
};
