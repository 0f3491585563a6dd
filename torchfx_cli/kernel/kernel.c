/* The sample loops of torchfx: conversion, second-order sections, FIR, dynamics. Plain arrays in, plain arrays out.
 *
 * Every loop is written once, in the headers beside this file, on vectors of LANES doubles (the vector extensions
 * of GCC and Clang), and compiled here once for each instruction set. The functions of a clone end in its name:
 * sos_avx512, sos_avx2, sos_baseline. load.py asks which of them this processor can run and picks by name.
 *
 *   vector.h   the vector type and the few operations on it that the language lacks
 *   samples.h  file samples <-> float64: scale, dither, round, clip, find what is not finite
 *   turn.h     blocks [frames, channels] <-> rows [channels, frames]
 *   mix.h      channels made of channels
 *   section.h  a second-order section alone, lanes = consecutive frames
 *   sos.h      several of them, lanes = channels or sections
 *   power.h    squares behind sections
 *   fir.h      short impulse responses, lanes = consecutive samples
 *   fft.h      long impulse responses, overlap-save
 *   dynamics.h compressor, expander, de-esser, gate
 *   truepeak.h peaks between samples
 *   limiter.h  look-ahead limiter
 *   reverb.h   feedback delay network
 *
 * Build with -ffp-contract=off and never with -ffast-math: results must not depend on how a loop was unrolled.
 * Blocks are [frames, channels] float64, C-contiguous. Nothing is allocated, nothing is kept between calls.
 */
#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if !defined(__GNUC__)
#error "needs the vector extensions of GCC or Clang; without them the twin in NumPy runs"
#endif
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#if defined(_WIN32)
#define API __declspec(dllexport)
#else
#define API __attribute__((visibility("default")))
#endif

/* What store_* saw: samples clipped, flat index of the first non-finite one (or -1), highest absolute value. */
typedef struct {
    int64_t clipped, bad;
    double peak;
} outcome;

/* A long FIR: see fft.h for the arrays. */
typedef struct {
    int64_t size, taps, channels, filled, response_step;
    const double *split, *roots;
    double *response, *pending, *work, *result;
} fft_fir;

/* A decaying filter ends in subnormal numbers, which cost a hundred times more on many processors. While a filter
 * runs they are taken as zero; the caller's mode is put back, as other code relies on gradual underflow. */
#if defined(__x86_64__)
typedef unsigned int fp_mode;
static inline fp_mode flush_subnormals(void) {
    fp_mode mode = _mm_getcsr();
    _mm_setcsr(mode | 0x8040); /* flush to zero, subnormals are zero */
    return mode;
}
static inline void restore_mode(fp_mode mode) { _mm_setcsr(mode); }
#elif defined(__aarch64__)
typedef uint64_t fp_mode;
static inline fp_mode flush_subnormals(void) {
    fp_mode mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    __asm__ volatile("msr fpcr, %0" : : "r"(mode | (UINT64_C(1) << 24)));
    return mode;
}
static inline void restore_mode(fp_mode mode) { __asm__ volatile("msr fpcr, %0" : : "r"(mode)); }
#else
typedef int fp_mode;
static inline fp_mode flush_subnormals(void) { return 0; }
static inline void restore_mode(fp_mode mode) { (void)mode; }
#endif

#define LANES 2
#define ISA baseline
#define TARGET
#include "clone.h"

#if defined(__x86_64__)
#define LANES 4
#define ISA avx2
#define TARGET __attribute__((target("avx2,fma")))
#include "clone.h"

#define LANES 8
#define ISA avx512
#define TARGET __attribute__((target("avx512f,avx512dq,avx512bw,avx512vl,avx2,fma")))
#include "clone.h"
#endif

/* The clones that this processor runs, best first, as "suffix=name" separated by spaces. */
API const char *clones(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return "baseline=sse2";
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl"))
        return "avx512=avx512 avx2=avx2 baseline=sse2";
    return "avx2=avx2 baseline=sse2";
#elif defined(__aarch64__)
    return "baseline=neon";
#else
    return "baseline=generic";
#endif
}

/* Linkers told to export a Python module's entry point find one; load.py never imports it as a module. */
API void *PyInit__kernel(void) { return NULL; }
