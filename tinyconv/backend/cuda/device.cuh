// What all CUDA kernels of tinyconv share. Each is a template over the number type T, one of
// float, double, __half, __nv_bfloat16, and computes in Wide<T>.
//
// Arrays are dense. Integers arrive as long long, numbers as double, whatever T is. A block has THREADS threads;
// a kernel takes any number of blocks: it goes on in steps of the whole grid.
#pragma once
#ifdef TINYCONV_HALF
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

typedef long long Int;
const int THREADS = 256;

template <class T> struct WideOf { typedef float type; };
template <> struct WideOf<double> { typedef double type; };
template <class T> using Wide = typename WideOf<T>::type;

// The first of this thread's elements, and how far it is to the next.
__device__ inline Int first() { return (Int)blockIdx.x * THREADS + threadIdx.x; }
__device__ inline Int step() { return (Int)gridDim.x * THREADS; }

template <class W> __device__ inline W infinity();
template <> __device__ inline float infinity<float>() { return __int_as_float(0x7f800000); }
template <> __device__ inline double infinity<double>() { return __longlong_as_double(0x7ff0000000000000ll); }

// The larger of two; NaN if one is.
template <class W> __device__ inline W larger(W a, W b) { return a > b || a != a ? a : b; }

// Combine the values of all threads of a block, always in the same order; every thread gets the result.
template <class W, class F> __device__ inline W block_fold(W v, F fold) {
    __shared__ W parts[THREADS / 32];
    for (int o = 16; o > 0; o >>= 1) v = fold(v, __shfl_xor_sync(0xffffffffu, v, o));
    __syncthreads();  // of an earlier call, everybody has read the parts
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = v;
    __syncthreads();
    v = parts[0];
    for (int i = 1; i < THREADS / 32; ++i) v = fold(v, parts[i]);
    return v;
}

template <class W> struct Plus {
    __device__ W operator()(W a, W b) const { return a + b; }
};
template <class W> struct Larger {
    __device__ W operator()(W a, W b) const { return larger(a, b); }
};
template <class W> __device__ inline W block_sum(W v) { return block_fold(v, Plus<W>()); }
template <class W> __device__ inline W block_max(W v) { return block_fold(v, Larger<W>()); }

// Note that a value must be refused unless it lies in [low, high) or is ``ignored``, if nothing is noted yet; tell whether it must.
// It does not matter which thread wins, as those of a launch write the same code.
__device__ inline bool note(Int value, Int low, Int high, Int ignored, Int code, Int* notes) {
    if ((value >= low && value < high) || value == ignored) return false;
    if (!notes[0]) {
        notes[1] = value;
        notes[0] = code;
    }
    return true;
}
