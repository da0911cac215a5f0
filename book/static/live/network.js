/* LeNet in plain JavaScript, as chapters/lenet.ipynb builds it in PyTorch.
 *
 * A tensor is {shape, data}: data is a Float32Array in PyTorch's order, the last axis fastest.
 * There is no batch axis: one image, 1 × 28 × 28, goes through at a time. A layer has a method
 * forward(X), and terms(X, d, i, j): the products whose sum, with the bias, is the number at
 * (d, i, j) of its output.
 */

export const tensor = (shape, data = new Float32Array(shape.reduce((a, b) => a * b))) => ({ shape, data });

/** Channel d at (i, j): bias[d] + the sum over c, u, v of weight[d, c, u, v] · X[c, i+u, j+v]. */
export function conv2d(weight, bias, { padding = 0 } = {}) {
  const [D, C, k] = weight.shape;

  function forward(X) {
    const [, H, W] = X.shape;
    const h = H + 2 * padding - k + 1;
    const w = W + 2 * padding - k + 1;
    const Y = tensor([D, h, w]);
    for (let d = 0, at = 0; d < D; d++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++, at++) {
          let sum = bias.data[d];
          for (let c = 0; c < C; c++)
            for (let u = 0; u < k; u++) {
              const row = i + u - padding;
              if (row < 0 || row >= H) continue; // the padding is zero
              for (let v = 0; v < k; v++) {
                const column = j + v - padding;
                if (column < 0 || column >= W) continue;
                sum += weight.data[((d * C + c) * k + u) * k + v] * X.data[(c * H + row) * W + column];
              }
            }
          Y.data[at] = sum;
        }
    return Y;
  }

  function terms(X, d, i, j) {
    const [, H, W] = X.shape;
    const found = [];
    for (let c = 0; c < C; c++)
      for (let u = 0; u < k; u++)
        for (let v = 0; v < k; v++) {
          const [row, column] = [i + u - padding, j + v - padding];
          const inside = row >= 0 && row < H && column >= 0 && column < W;
          const value = inside ? X.data[(c * H + row) * W + column] : 0;
          found.push({ c, row, column, inside, value, weight: weight.data[((d * C + c) * k + u) * k + v] });
        }
    return found;
  }

  return { name: "Conv2d", weight, bias, kernelSize: k, padding, forward, terms };
}

export function sigmoid() {
  return { name: "Sigmoid", forward: (X) => tensor(X.shape, X.data.map((x) => 1 / (1 + Math.exp(-x)))) };
}

/** The mean of each window of 2 × 2. */
export function avgPool2d() {
  function forward(X) {
    const [C, H, W] = X.shape;
    const Y = tensor([C, H / 2, W / 2]);
    for (let c = 0, at = 0; c < C; c++)
      for (let i = 0; i < H; i += 2)
        for (let j = 0; j < W; j += 2, at++) {
          const corner = (c * H + i) * W + j;
          Y.data[at] = (X.data[corner] + X.data[corner + 1] + X.data[corner + W] + X.data[corner + W + 1]) / 4;
        }
    return Y;
  }

  function terms(X, c, i, j) {
    const [, H, W] = X.shape;
    return [[0, 0], [0, 1], [1, 0], [1, 1]].map(([u, v]) => {
      const [row, column] = [2 * i + u, 2 * j + v];
      return { c, row, column, inside: true, value: X.data[(c * H + row) * W + column], weight: 1 / 4 };
    });
  }

  return { name: "AvgPool2d", kernelSize: 2, forward, terms };
}

export function flatten() {
  return { name: "Flatten", forward: (X) => tensor([X.data.length], X.data) };
}

/** Unit d: bias[d] + the sum over n of weight[d, n] · X[n]. */
export function linear(weight, bias) {
  const [D, N] = weight.shape;

  function forward(X) {
    const Y = tensor([D]);
    for (let d = 0; d < D; d++) {
      let sum = bias.data[d];
      for (let n = 0; n < N; n++) sum += weight.data[d * N + n] * X.data[n];
      Y.data[d] = sum;
    }
    return Y;
  }

  function terms(X, d) {
    return Array.from(X.data, (value, n) => ({ n, inside: true, value, weight: weight.data[d * N + n] }));
  }

  return { name: "Linear", weight, bias, forward, terms };
}

/** LeNet for 28 × 28 images: two convolutional stages, three dense layers, logits out. */
export function lenet(w) {
  return [
    conv2d(w["0.weight"], w["0.bias"], { padding: 2 }),
    sigmoid(),
    avgPool2d(),
    conv2d(w["3.weight"], w["3.bias"]),
    sigmoid(),
    avgPool2d(),
    flatten(),
    linear(w["7.weight"], w["7.bias"]),
    sigmoid(),
    linear(w["9.weight"], w["9.bias"]),
    sigmoid(),
    linear(w["11.weight"], w["11.bias"]),
  ];
}

/** What each layer makes of the image X, the logits last. */
export function forward(net, X) {
  return net.map((layer) => (X = layer.forward(X)));
}

export function softmax(logits) {
  const largest = Math.max(...logits);
  const powers = Array.from(logits, (x) => Math.exp(x - largest));
  const sum = powers.reduce((a, b) => a + b);
  return powers.map((p) => p / sum);
}

export function numParams(net) {
  const parameters = net.flatMap((layer) => (layer.weight ? [layer.weight, layer.bias] : []));
  return parameters.reduce((sum, p) => sum + p.data.length, 0);
}

/* ---- weights: trained ones from float16, random ones from a seed --------------------------------- */

/** The tensor of this shape whose float16 numbers, little-endian, are the base64 text. */
export function fromFloat16(shape, text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return tensor(shape, Float32Array.from({ length: bytes.length / 2 }, (_, at) => {
    const bits = bytes[2 * at] + 256 * bytes[2 * at + 1];
    const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, (bits & 1023) / 1024];
    return sign * (exponent ? (1 + fraction) * 2 ** (exponent - 15) : fraction * 2 ** -14);
  }));
}

/** Weights by their names in PyTorch's state_dict. */
export function loadWeights(tensors) {
  return Object.fromEntries(Object.entries(tensors).map(([name, t]) => [name, fromFloat16(t.shape, t.float16)]));
}

/** Marsaglia's xorshift (2003): a function that draws uniformly from [0, 1), always the same for a seed. */
export function generator(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Xavier's start for these shapes: weights uniform within ±√(6 / (inputs + outputs)), biases zero. */
export function xavier(shapes, seed) {
  const uniform = generator(seed);
  return Object.fromEntries(Object.entries(shapes).map(([name, shape]) => {
    const t = tensor(shape);
    if (shape.length > 1) {
      const window = shape.slice(2).reduce((a, b) => a * b, 1); // 25 for a convolution, 1 for a dense layer
      const bound = Math.sqrt(6 / ((shape[0] + shape[1]) * window));
      for (let at = 0; at < t.data.length; at++) t.data[at] = bound * (2 * uniform() - 1);
    }
    return [name, t];
  }));
}
