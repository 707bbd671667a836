#include "../backend/cuda/device.cuh"

// The threads that read a row: one if rows lie side by side, a warp if they are short, else a block.
const Int SHORT = 1024;

struct Group {
    Int rank, size;
    template <class W, class F> __device__ W fold(W v, F f) const {
        if (size == 1) return v;
        if (size == THREADS) return block_fold(v, f);
        for (int o = 16; o > 0; o >>= 1) v = f(v, __shfl_xor_sync(0xffffffffu, v, o));
        return v;
    }
};

// Call f(group, r, at) for each of n rows; at is where row r of c numbers begins, which are k apart.
template <class F> __device__ void each_row(Int n, Int c, Int k, F f) {
    Int size = k > 1 ? 1 : c <= SHORT ? 32 : THREADS;
    Group group = {threadIdx.x % size, size};
    for (Int r = first() / size; r < n; r += step() / size) f(group, r, r / k * c * k + r % k);
}

// What f(i) gives for each place i of a row, added up.
template <class W, class F> __device__ W total(Group group, Int at, Int c, Int k, F f) {
    W sum = 0;
    for (Int j = group.rank; j < c; j += group.size) sum += f(at + j * k);
    return group.fold(sum, Plus<W>());
}

template <class T> __device__ Wide<T> row_top(Group group, const T* x, Int at, Int c, Int k) {
    Wide<T> top = -infinity<Wide<T>>();
    for (Int j = group.rank; j < c; j += group.size) top = larger(top, Wide<T>(x[at + j * k]));
    return group.fold(top, Larger<Wide<T>>());
}

template <class T> __global__ void softmax_rows(const T* x, T* y, Int n, Int c, Int k) {
    typedef Wide<T> W;
    each_row(n, c, k, [&](Group group, Int, Int at) {
        W top = row_top(group, x, at, c, k);
        W factor = 1 / total<W>(group, at, c, k, [&](Int i) { return exp(W(x[i]) - top); });
        for (Int j = group.rank; j < c; j += group.size) y[at + j * k] = T(exp(W(x[at + j * k]) - top) * factor);
    });
}

template <class T> __global__ void log_softmax_rows(const T* x, T* y, Int n, Int c, Int k) {
    typedef Wide<T> W;
    each_row(n, c, k, [&](Group group, Int, Int at) {
        W top = row_top(group, x, at, c, k);
        W rest = log(total<W>(group, at, c, k, [&](Int i) { return exp(W(x[i]) - top); }));
        for (Int j = group.rank; j < c; j += group.size) y[at + j * k] = T(W(x[at + j * k]) - top - rest);
    });
}

template <class T> __global__ void softmax_rows_backward(const T* g, const T* y, T* gx, Int n, Int c, Int k) {
    typedef Wide<T> W;
    each_row(n, c, k, [&](Group group, Int, Int at) {
        W whole = total<W>(group, at, c, k, [&](Int i) { return W(g[i]) * W(y[i]); });
        for (Int j = group.rank; j < c; j += group.size) {
            Int i = at + j * k;
            gx[i] = T((W(g[i]) - whole) * W(y[i]));
        }
    });
}

template <class T> __global__ void log_softmax_rows_backward(const T* g, const T* y, T* gx, Int n, Int c, Int k) {
    typedef Wide<T> W;
    each_row(n, c, k, [&](Group group, Int, Int at) {
        W whole = total<W>(group, at, c, k, [&](Int i) { return W(g[i]); });
        for (Int j = group.rank; j < c; j += group.size) {
            Int i = at + j * k;
            gx[i] = T(W(g[i]) - exp(W(y[i])) * whole);
        }
    });
}

// A class that is not there counts as ignored: it is noted elsewhere.
template <class T> __global__ void class_losses(const T* x, const Int* target, const T* weight, Int weighted, Int ignored,
                                                Int* place, Wide<T>* w, Wide<T>* tops, Wide<T>* loss, Int n, Int c, Int k) {
    typedef Wide<T> W;
    each_row(n, c, k, [&](Group group, Int r, Int at) {
        W top = row_top(group, x, at, c, k);
        top += log(total<W>(group, at, c, k, [&](Int i) { return exp(W(x[i]) - top); }));
        if (group.rank > 0) return;
        Int t = target[r];
        bool counts = t != ignored && t >= 0 && t < c;
        tops[r] = top;
        place[r] = counts ? t : 0;
        w[r] = counts ? (weighted ? W(weight[t]) : W(1)) : W(0);
        loss[r] = w[r] == 0 ? W(0) : w[r] * (top - W(x[at + t * k]));
    });
}

template <class T> __global__ void class_gradients(const T* x, const Int* place, const Wide<T>* scale, const Wide<T>* tops,
                                                   T* gx, Int n, Int c, Int k) {
    typedef Wide<T> W;
    each_row(n, c, k, [&](Group group, Int r, Int at) {
        W top = tops[r], factor = scale[r];
        for (Int j = group.rank; j < c; j += group.size) {
            W v = exp(W(x[at + j * k]) - top) * factor;
            gx[at + j * k] = T(j == place[r] ? v - factor : v);
        }
    });
}
