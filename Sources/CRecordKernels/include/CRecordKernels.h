#ifndef CRecordKernels_H
#define CRecordKernels_H
#endif
