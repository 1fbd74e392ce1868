#ifndef CPIXELKERNELS_H
#define CPIXELKERNELS_H

#include "pixel_decode.h"
#include "pixel_geometry.h"
#include "pixel_level.h"
#include "pixel_tensor.h"
#include "pixel_tone.h"
#include "pixel_write.h"

#endif
