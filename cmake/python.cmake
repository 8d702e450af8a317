# _core, the extension module of Python's bpnet.
if(NOT BPNET_PYTHON)
  return()
endif()
find_package(Python REQUIRED COMPONENTS Interpreter Development.Module)
find_package(pybind11 3 CONFIG REQUIRED)
pybind11_add_module(_core
  cpp/bindings/arrays.cpp
  cpp/bindings/custom_loss.cpp
  cpp/bindings/descriptions.cpp
  cpp/bindings/errors.cpp
  cpp/bindings/images.cpp
  cpp/bindings/interpreter.cpp
  cpp/bindings/interrupts.cpp
  cpp/bindings/io.cpp
  cpp/bindings/module.cpp
  cpp/bindings/network.cpp
  cpp/bindings/reducer.cpp
  cpp/bindings/tables.cpp
  cpp/bindings/threads.cpp
  cpp/bindings/trainer.cpp
  cpp/bindings/ticket_lock.cpp)
target_link_libraries(_core PRIVATE bpnet bpnet_flags)
install(TARGETS _core LIBRARY DESTINATION .)
