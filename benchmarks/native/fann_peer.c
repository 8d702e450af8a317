/* What FANN's header has no function for; compiled together with FANN's sources. */
#include "floatfann.c"

float* peer_weights(struct fann* net) { return net->weights; }
