// What an optimizer does to all its parameters at once. Before this text stands that of a rule: its functions, and
//     template <class W> struct Rule { ARRAYS, NUMBERS; change(arrays, numbers); numbers_of(t, lr, settings) };

const Int PIECE = 4096;  // numbers of one parameter that a block takes
const int ROWS = 496;

// All that a launch is told. It comes as an argument, of which there may be 32764 bytes: nothing has to be copied before it.
struct Updates {
    const double* lr;
    const float* found;  // unless it is null, and zero there: nothing is changed
    double t;            // the number of updates, unless it is counted in memory
    double settings[12];
    Int count;  // of rows, one a parameter
    struct {
        Int blocks;  // up to the end of this one
        Int size;
        float* step;      // where updates are counted, or null
        void* arrays[5];  // g, p, buffers
    } row[ROWS];
};

template <class T> __global__ void update(const __grid_constant__ Updates u) {
    typedef Wide<T> W;
    typedef Rule<W> R;
    __shared__ W numbers[R::NUMBERS];
    if (u.found && *u.found != 0) return;
    int r = 0;
    for (int step = 256; step > 0; step /= 2)  // the first row that ends beyond this block
        if (r + step <= u.count - 1 && u.row[r + step - 1].blocks <= blockIdx.x) r += step;
    if (threadIdx.x == 0) {
        auto made = R::numbers_of(u.row[r].step ? (double)*u.row[r].step : u.t, *u.lr, u.settings);
        for (int i = 0; i < R::NUMBERS; ++i) numbers[i] = W(made.v[i]);
    }
    __syncthreads();
    Int begin = (blockIdx.x - (r ? u.row[r - 1].blocks : 0)) * PIECE;
    Int end = min(begin + PIECE, u.row[r].size);
    for (Int i = begin + threadIdx.x; i < end; i += THREADS) {
        W v[R::ARRAYS];
        for (int k = 0; k < R::ARRAYS; ++k) v[k] = W(((const T*)u.row[r].arrays[k])[i]);
        auto made = R::change(v, numbers);
        for (int k = 1; k < R::ARRAYS; ++k) ((T*)u.row[r].arrays[k])[i] = T(made.v[k - 1]);
    }
}

// One update more, for each row that counts in memory.
template <class T> __global__ void count_updates(const __grid_constant__ Updates u) {
    Int r = first();
    if (r < u.count && !(u.found && *u.found != 0)) *u.row[r].step += 1;
}
