/* What the library asks of floating point. NaN and infinity must be seen, and sums must keep their order: compiled with
 * -ffast-math it would train to other bits and miss that a training has diverged. */
#ifndef TFOA_FLOATING_POINT_H
#define TFOA_FLOATING_POINT_H

#if defined(__FAST_MATH__) || (defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__ == 1)
#error "compile tinyfoa without -ffast-math and -ffinite-math-only"
#endif

#endif
