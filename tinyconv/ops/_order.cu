#include "../backend/cuda/device.cuh"

// Keys, an index and its place in one number, in rising order: bitonic sorting (Batcher, AFIPS Spring Joint Computer Conference
// 1968). There is a power of two of them, at least a TILE, which is what a block sorts in its own memory.
const int TILE = 2048;

// Bring a and b into rising order, or falling.
__device__ inline void order(Int& a, Int& b, bool rising) {
    if ((a > b) == rising) {
        Int c = a;
        a = b;
        b = c;
    }
}

// The first of the i-th pair of keys that are ``apart``, a power of two.
__device__ inline Int of_pair(Int i, Int apart) { return 2 * i - (i & (apart - 1)); }

// One step after the other for the keys of a tile, from pairs so far apart on; runs of ``run`` keys take turns in direction.
__device__ inline void merge(Int* tile, Int begin, Int run, Int apart) {
    for (; apart > 0; apart /= 2) {
        __syncthreads();
        for (Int i = threadIdx.x; i < TILE / 2; i += THREADS) {
            Int at = of_pair(i, apart);
            order(tile[at], tile[at + apart], !((begin + at) & run));
        }
    }
    __syncthreads();
}

// Make keys of n indices, with larger ones behind them, and sort each tile; every other one falls.
template <class T> __global__ void sort_tiles(const Int* index, T* keys, Int n) {
    __shared__ Int tile[TILE];
    Int begin = (Int)blockIdx.x * TILE;
    for (Int i = threadIdx.x; i < TILE; i += THREADS) {
        Int at = begin + i;
        tile[i] = at < n ? (Int)((unsigned long long)index[at] << 32 | at) : 0x7fffffffffffffffll;
    }
    for (Int run = 2; run <= TILE; run *= 2) merge(tile, begin, run, run / 2);
    for (Int i = threadIdx.x; i < TILE; i += THREADS) keys[begin + i] = tile[i];
}

// One step for all keys.
template <class T> __global__ void merge_far(T* keys, Int run, Int apart) {
    Int at = of_pair(first(), apart);
    Int a = keys[at], b = keys[at + apart];
    order(a, b, !(at & run));
    keys[at] = a;
    keys[at + apart] = b;
}

// The rest of the steps of a run, whose pairs lie in one tile.
template <class T> __global__ void merge_tiles(T* keys, Int run) {
    __shared__ Int tile[TILE];
    Int begin = (Int)blockIdx.x * TILE;
    for (Int i = threadIdx.x; i < TILE; i += THREADS) tile[i] = keys[begin + i];
    merge(tile, begin, run, TILE / 2);
    for (Int i = threadIdx.x; i < TILE; i += THREADS) keys[begin + i] = tile[i];
}
