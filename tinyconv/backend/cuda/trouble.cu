#include "device.cuh"

// Note a value outside [low, high), unless it is ``ignored``. The first launch that has one wins.
template <class T> __global__ void note_outside(const T* values, Int n, Int low, Int high, Int ignored, Int code, Int* notes) {
    for (Int i = first(); i < n; i += step()) note(Int(values[i]), low, high, ignored, code, notes);
}
