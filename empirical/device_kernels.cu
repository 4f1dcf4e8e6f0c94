// Gradient steps of two-layer ReLU networks on a GPU; see device_kernels.py. All sums are taken in a fixed order.
// D (coordinates) and WORDS (groups of 32 neurons that a block holds at a time) are defined by the compiler's options.

const int THREADS = 128, INPUTS = 128;

// A thread takes one input and 32 neurons at a time: their indicators 1{w . x >= 0} are the bits of a word, and what
// they add to the output is summed in a slot of its own.
extern "C" __global__ void __launch_bounds__(THREADS)
forward(const double *weights, const double *outer, const double *inputs, unsigned *indicators, double *sums,
        int width, int points)
{
    __shared__ __align__(16) double w[WORDS * 32 * D], a[WORDS * 32];
    const int words = (width - 1) / 32 + 1;
    const size_t network = blockIdx.y;
    weights += network * width * D;
    outer += network * width;
    indicators += network * words * points;
    sums += (network * gridDim.x + blockIdx.x) * WORDS * points;
    for (int item = threadIdx.x; item < WORDS * points; item += THREADS)
        sums[item] = 0;
    for (int first = blockIdx.x * WORDS; first < words; first += gridDim.x * WORDS) {
        const size_t start = (size_t)first * 32;
        const int neurons = min(WORDS * 32, (int)(width - start)), here = (neurons - 1) / 32 + 1;
        __syncthreads();
        for (int k = threadIdx.x; k < here * 32 * D; k += THREADS)
            w[k] = k < neurons * D ? weights[start * D + k] : 0;
        for (int r = threadIdx.x; r < here * 32; r += THREADS)
            a[r] = r < neurons ? outer[start + r] : 0;
        __syncthreads();
        for (int item = threadIdx.x; item < here * points; item += THREADS) {
            const int i = item % points, word = item / points;
            double x[D];
            for (int k = 0; k < D; k++)
                x[k] = inputs[(size_t)i * D + k];
            unsigned bits = 0;
            double sum = 0;
            #pragma unroll 4
            for (int r = 0; r < 32; r++) {
                const double *row = w + (word * 32 + r) * D;
                double z = 0;
                for (int k = 0; k < D; k++)
                    z = fma(row[k], x[k], z);
                bits |= (unsigned)(z >= 0) << r;
                sum = fma(a[word * 32 + r], z < 0 ? 0 : z, sum);  // nan stays nan
            }
            indicators[(size_t)first * points + item] = bits;
            sums[item] += sum;
        }
    }
}

// A thread takes one neuron and all inputs: its gradient is a_r sum_i 1{w_r . x_i >= 0} e_i x_i, and that of its output
// weight, sum_i relu(w_r . x_i) e_i, is w_r . sum_i 1{w_r . x_i >= 0} e_i x_i.
extern "C" __global__ void __launch_bounds__(THREADS)
descend(double *weights, double *outer, const double *inputs, const unsigned *indicators, const double *residuals,
        int width, int points, double first_step, double outer_step)
{
    __shared__ __align__(16) double weighted[INPUTS * D];
    const int words = (width - 1) / 32 + 1;
    const size_t network = blockIdx.y, r = (size_t)blockIdx.x * THREADS + threadIdx.x;
    const size_t neuron = network * width + r;
    indicators += (network * words + r / 32) * points;
    residuals += network * points;
    double g[D];
    for (int k = 0; k < D; k++)
        g[k] = 0;
    for (int start = 0; start < points; start += INPUTS) {
        const int count = min(INPUTS, points - start);
        __syncthreads();
        for (int k = threadIdx.x; k < count * D; k += THREADS)
            weighted[k] = residuals[start + k / D] * inputs[(size_t)start * D + k];
        __syncthreads();
        for (int i = 0; r < width && i < count; i++)
            if (indicators[start + i] >> r % 32 & 1)
                for (int k = 0; k < D; k++)
                    g[k] += weighted[i * D + k];
    }
    if (r >= width)
        return;
    const double a = outer[neuron];
    double along = 0;
    for (int k = 0; k < D; k++) {
        double *const w = weights + neuron * D + k;
        along = fma(*w, g[k], along);
        *w = fma(first_step * a, g[k], *w);
    }
    outer[neuron] = fma(outer_step, along, a);
}
