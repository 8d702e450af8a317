#pragma once

#define BPNET_VERSION "0.1.0"
