/* An epoch of genann in one call; compiled together with genann's source. */
#include "genann.c"

genann* peer_create(int inputs, int hidden_layers, int hidden, int outputs) {
  genann* net = genann_init(inputs, hidden_layers, hidden, outputs);
  if (net) net->activation_hidden = net->activation_output = genann_act_tanh;
  return net;
}

double* peer_weights(genann* net) { return net->weight; }

void peer_epoch(genann* net, const double* x, const double* y, int samples, double rate) {
  for (int i = 0; i < samples; ++i)
    genann_train(net, x + (long)i * net->inputs, y + (long)i * net->outputs, rate);
}
