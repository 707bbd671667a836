// What an optimizer does to all its parameters at once. Before this text stands that of a rule: its functions, and
//     template <class W> struct Rule { ARRAYS, NUMBERS; change(arrays, numbers); numbers_of(t, lr, settings);
//                                      count(t, lr, settings) };

const Int PIECE = 4096;  // numbers of one parameter that a block takes
const int ROWS = 496, SETTINGS = 12;

// All that a launch is told. It comes as an argument, of which there may be 32764 bytes: nothing has to be copied before it.
struct Updates {
    const double* lr;
    const float* found;  // unless it is null, and zero there: nothing is changed
    double t;            // the number of updates, and the first settings are other counters, unless they lie in memory
    double settings[SETTINGS];
    Int counters;  // in memory
    Int count;     // of rows, one a parameter
    struct {
        Int blocks;  // up to the end of this one
        Int size;
        void* at[6];  // counters, the number of updates first; g, p, buffers
    } row[ROWS];
};

// What the numbers of a row follow from: what the launch was told, or where it is counted in memory, what stands there.
struct Terms {
    double t, settings[SETTINGS];
};
__device__ inline Terms terms_of(const Updates& u, int r) {
    Terms terms;
    terms.t = u.t;
    for (int i = 0; i < SETTINGS; ++i) terms.settings[i] = u.settings[i];
    if (u.counters) terms.t = *(const float*)u.row[r].at[0];
    for (int i = 1; i < u.counters; ++i) terms.settings[i - 1] = *(const float*)u.row[r].at[i];
    return terms;
}

template <class T> __global__ void update(const __grid_constant__ Updates u) {
    typedef Wide<T> W;
    typedef Rule<W> R;
    __shared__ W numbers[R::NUMBERS];
    if (u.found && *u.found != 0) return;
    int r = 0;
    for (int step = 256; step > 0; step /= 2)  // the first row that ends beyond this block
        if (r + step <= u.count - 1 && u.row[r + step - 1].blocks <= blockIdx.x) r += step;
    if (threadIdx.x == 0) {
        Terms terms = terms_of(u, r);
        auto made = R::numbers_of(terms.t, *u.lr, terms.settings);
        for (int i = 0; i < R::NUMBERS; ++i) numbers[i] = W(made.v[i]);
    }
    __syncthreads();
    void* const* arrays = u.row[r].at + u.counters;
    Int begin = (blockIdx.x - (r ? u.row[r - 1].blocks : 0)) * PIECE;
    Int end = min(begin + PIECE, u.row[r].size);
    for (Int i = begin + threadIdx.x; i < end; i += THREADS) {
        W v[R::ARRAYS];
        for (int k = 0; k < R::ARRAYS; ++k) v[k] = W(((const T*)arrays[k])[i]);
        auto made = R::change(v, numbers);
        for (int k = 1; k < R::ARRAYS; ++k) ((T*)arrays[k])[i] = T(made.v[k - 1]);
    }
}

// One update more, for each row that counts in memory.
template <class T> __global__ void count_updates(const __grid_constant__ Updates u) {
    typedef Rule<Wide<T>> R;
    Int r = first();
    if (r >= u.count || (u.found && *u.found != 0)) return;
    Terms terms = terms_of(u, r);
    auto made = R::count(terms.t + 1, *u.lr, terms.settings);
    *(float*)u.row[r].at[0] = terms.t + 1;
    for (int i = 1; i < u.counters; ++i) *(float*)u.row[r].at[i] = made.v[i - 1];
}
