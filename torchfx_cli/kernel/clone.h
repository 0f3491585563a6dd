/* One clone of every loop, for the LANES, ISA and TARGET that kernel.c has set. */
#include "vector.h"

#include "samples.h"
#include "turn.h"
#include "mix.h"
#include "section.h"
#include "sos.h"
#include "power.h"
#include "fir.h"
#include "fft.h"
#include "dynamics.h"
#include "truepeak.h"
#include "limiter.h"
#include "reverb.h"

#undef LANES
#undef ISA
#undef TARGET
