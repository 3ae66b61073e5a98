"""docs/numerics.md in numpy: float32 arrays, one correctly rounded operation at a time.

Shares nothing with ir/: fma is emulated exactly, the constants are a copy of the page's numbers, angles come from
decimal arithmetic of 60 digits.
"""
from decimal import Decimal, getcontext
from fractions import Fraction

import numpy as np

F32 = np.float32
np.seterr(all="ignore")
getcontext().prec = 60


def fma(a, b, c):
    """a*b + c rounded once.  The product of two floats is exact in a double; the sum is rounded to odd there,
    so that the second rounding, to float, is the right one."""
    p = np.multiply(a, b, dtype=np.float64)
    c = np.asarray(c, dtype=np.float64)
    s = p + c
    t = s - p
    err = (p - (s - t)) + (c - t)
    bits = np.asarray(s).view(np.int64)
    even = (bits & 1) == 0
    toward = np.where((err > 0) == (s > 0), 1, -1)
    fix = np.where((err != 0) & even & np.isfinite(s), toward, 0)
    return (bits + fix).view(np.float64).astype(F32)


def f32(text):
    """The float nearest to a decimal text, ties to even."""
    want = Fraction(text)
    best = None
    near = F32(float(text))
    for c in (np.nextafter(near, F32(-np.inf)), near, np.nextafter(near, F32(np.inf))):
        if not np.isfinite(c):
            continue
        dist = abs(Fraction(float(c)) - want)
        odd = int(np.asarray(c).view(np.uint32)) & 1
        if best is None or (dist, odd) < best[:2]:
            best = (dist, odd, c)
    return best[2]


def hexes(*texts):
    return [F32(float.fromhex(t)) for t in texts]


LOG2E, LN2_HI, LN2_LO = hexes("0x1.715476p+0", "0x1.62e430p-1", "-0x1.05c610p-29")
EXP_R = hexes("0x1.fffffcp-2", "0x1.55548cp-3", "0x1.555858p-5", "0x1.123de2p-7", "0x1.6ac6e2p-10")
TANH_C = hexes("-0x1.555554p-2", "0x1.11107ap-3", "-0x1.b9f188p-5", "0x1.63a550p-6", "-0x1.0c5ed0p-7",
               "0x1.1a2816p-9")
GELU_A, GELU_B = hexes("0x1.988454p-1", "0x1.6e4e26p-5")
TURN = F32(float.fromhex("0x1.921fb6p-30"))
SIN_C = hexes("-0x1.55556cp-3", "0x1.110eb2p-7", "-0x1.9ae324p-13")
COS_C = hexes("0x1.5555dap-5", "-0x1.6c3f1ap-10", "0x1.a49ac2p-16")
ONE, TWO, HALF = F32(1), F32(2), F32(0.5)


def horner(coeffs, x):
    p = np.full_like(x, coeffs[-1])
    for c in reversed(coeffs[:-1]):
        p = fma(p, x, c)
    return p


def pow2(e):
    return ((e + 127).astype(np.uint32) << np.uint32(23)).view(F32)


def exp(x):
    x = np.asarray(x, dtype=F32)
    y = np.clip(x, F32(-87.33), F32(88.72283))  # what lies below is replaced at the end
    n = np.rint(y * LOG2E)
    t = fma(n, -LN2_HI, y)
    t = fma(n, -LN2_LO, t)
    p = ONE + fma(t * t, horner(EXP_R, t), t)
    k = np.nan_to_num(n).astype(np.int64)
    a = k >> 1
    r = (p * pow2(a)) * pow2(k - a)
    return np.where(x < F32(-87.33), F32(0), r).astype(F32)


def sigmoid(x):
    return ONE / (ONE + exp(-x))


def silu(x):
    return x / (ONE + exp(-x))


def tanh(x):
    a = np.abs(x)
    z = x * x
    small = fma(x * z, horner(TANH_C, z), x)
    b = np.where(a > F32(20), F32(20), a)
    large = np.copysign(ONE - TWO / (exp(TWO * b) + ONE), x)
    return np.where(a < F32(0.625), small, large).astype(F32)


def gelu(x):
    return (HALF * x) * (ONE + tanh(GELU_A * fma(GELU_B * x, x * x, x)))


def relu(x):
    return np.where(x > 0, x, F32(0)).astype(F32)


def relu2(x):
    t = relu(x)
    return t * t


def cossin(u):
    """u: phases in 2^-32 turns, as int64 from 0 to 2^32."""
    n = (u + (1 << 29)) % (1 << 32) >> 30
    r = (u - (n << 30)) % (1 << 32)
    r = np.where(r >= 1 << 31, r - (1 << 32), r)
    t = r.astype(F32) * TURN
    z = t * t
    sin = fma(t * z, horner(SIN_C, z), t)
    cos = fma(z * z, horner(COS_C, z), fma(z, F32(-0.5), ONE))
    c = np.choose(n % 4, [cos, -sin, -cos, sin])
    s = np.choose(n % 4, [sin, cos, -sin, -cos])
    return c, s


def pi():
    """Machin's formula."""
    def arctan_inverse(n):
        term = total = Decimal(1) / n
        k = 1
        while abs(term) > Decimal(10) ** -58:
            term /= -n * n
            k += 2
            total += term / k
        return total
    return 4 * (4 * arctan_inverse(5) - arctan_inverse(239))


def rope_scaled(f, scaling):
    """A frequency in radians a position, by the scaling (factor,) or (factor, low, high, original)."""
    if not scaling:
        return f
    factor = Decimal(scaling[0])
    if len(scaling) == 1:
        return f / factor
    low, high, original = (Decimal(v) for v in scaling[1:])
    wavelength = 2 * pi() / f
    if wavelength < original / high:
        return f
    if wavelength > original / low:
        return f / factor
    s = (original / wavelength - low) / (high - low)
    return (1 - s) * f / factor + s * f


def rope_freqs(theta, d, scaling):
    """round(2^64 * f_i / 2 pi), f_i = theta^(-2i/d) scaled, i < d/2."""
    ln = Decimal(theta).ln()
    full = Decimal(2) ** 64 / (2 * pi())
    return [int((rope_scaled((-2 * i * ln / d).exp(), scaling) * full).to_integral_value()) % (1 << 64)
            for i in range(d // 2)]


def rope(x, pos, theta, pairing, dims=None, scaling=()):
    """x: [rows, ..., d], pos: one a row; the first dims of d elements are turned."""
    d = dims or x.shape[-1]
    phase = np.array([[p * f % (1 << 64) >> 32 for f in rope_freqs(theta, d, scaling)] for p in pos], dtype=np.int64)
    c, s = cossin(phase)
    shape = (len(pos),) + (1,) * (x.ndim - 2) + (d // 2,)
    c, s = c.reshape(shape), s.reshape(shape)
    ia, ib = (slice(0, d // 2), slice(d // 2, d)) if pairing == "half" else (slice(0, d, 2), slice(1, d, 2))
    a, b = x[..., ia], x[..., ib]
    y = x.copy()
    y[..., ia] = fma(-b, s, a * c)
    y[..., ib] = fma(a, s, b * c)
    return y


def in_lanes(x):
    """[..., n] as [..., blocks, steps, 32], padded with zeros, which change no sum."""
    n = x.shape[-1]
    blocks = max(1, -(-n // 1024))
    steps = 32 if blocks > 1 else max(1, -(-n // 32))
    y = np.zeros(x.shape[:-1] + (blocks * steps * 32,), dtype=F32)
    y[..., :n] = x
    return y.reshape(x.shape[:-1] + (blocks, steps, 32))


def fold(lanes):
    """[..., blocks, 32] to [...]: the tree of each block, then the blocks in order."""
    while lanes.shape[-1] > 1:
        half = lanes.shape[-1] // 2
        lanes = lanes[..., :half] + lanes[..., half:]
    total = np.zeros(lanes.shape[:-2], dtype=F32)
    for b in range(lanes.shape[-2]):
        total = total + lanes[..., b, 0]
    return total


def sum1024(x):
    x = in_lanes(x)
    acc = np.zeros(x.shape[:-2] + (32,), dtype=F32)
    for j in range(x.shape[-2]):
        acc = acc + x[..., j, :]
    return fold(acc)


def dot1024(a, b):
    """Over the last axis; the others broadcast."""
    a, b = in_lanes(a), in_lanes(b)
    acc = F32(0)
    for j in range(a.shape[-2]):
        acc = fma(a[..., j, :], b[..., j, :], acc)
    return fold(acc)


def l2norm(x):
    length = np.sqrt(dot1024(x, x))
    length = np.where(length < F32(1e-12), F32(1e-12), length)
    return x / length[..., None]


def rmsnorm(x, gain, eps):
    mean = dot1024(x, x) / F32(x.shape[-1])
    scale = ONE / np.sqrt(mean + eps)
    return (x * scale[..., None]) * gain


def quant(x):
    """[rows, n] to codes and 1/s."""
    if not np.isfinite(x).all():
        raise FloatingPointError("non-finite activation")
    m = np.maximum(np.abs(x).max(axis=-1), F32(1e-5))
    s = F32(127) / m
    q = np.clip(np.rint(x * s[:, None]), -127, 127).astype(np.int64)
    return q, ONE / s


def topk(x, k, block):
    """[rows, n]: of each run of `block` elements the k largest magnitudes stay, the lower index among equals."""
    y = np.zeros_like(x)
    for at in range(0, x.shape[-1], block):
        part = x[:, at:at + block]
        keep = -(-k * part.shape[1] // block)
        key = (np.ascontiguousarray(part).view(np.uint32) & np.uint32(0x7fffffff)).astype(np.int64)
        order = np.argsort(-key, axis=-1, kind="stable")[:, :keep]
        np.put_along_axis(y[:, at:at + block], order, np.take_along_axis(part, order, -1), -1)
    return y


def to_cache(x, kind):
    """What is read back after storing."""
    if kind == "f32":
        return x
    if kind == "i8":  # a scale for each head: all axes but the last
        q, r = quant(x.reshape(-1, x.shape[-1]))
        return (q.astype(F32) * r[:, None]).reshape(x.shape)
    return np.clip(x, F32(-65504), F32(65504)).astype(np.float16).astype(F32)


def attend_row(q, k, v, pos, scale, window):
    """q: [heads, d] at position pos; k, v: [positions, kv heads, d]."""
    heads, d = q.shape
    first = max(0, pos - window + 1) if window else 0
    of = np.arange(heads) // (heads // k.shape[1])
    parts = []
    for c in range(0, pos + 1, 128):
        seen = [j for j in range(c, c + 128) if first <= j <= pos]
        if not seen:
            continue
        keys = k[seen][:, of].transpose(1, 0, 2)  # [heads, seen, d]
        s = scale * dot1024(q[:, None, :], keys)
        m = s.max(axis=1)
        p = np.zeros((heads, 128), dtype=F32)
        p[:, [j - c for j in seen]] = exp(s - m[:, None])
        o = np.zeros((heads, d), dtype=F32)
        for j in seen:
            o = fma(p[:, j - c, None], v[j][of], o)
        parts.append((m, sum1024(p), o))
    top = np.max([m for m, _, _ in parts], axis=0)
    total, out = np.zeros(heads, dtype=F32), np.zeros((heads, d), dtype=F32)
    for m, l, o in parts:
        w = exp(m - top)
        total = fma(w, l, total)
        out = fma(w[:, None], o, out)
    return out / total[:, None]
