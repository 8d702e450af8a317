// A backend's memory: allocation of its arrays, and copies to and from the host. Outside kernels/ and this
// folder no code dereferences a backend's pointer: reading and writing are copies, which are skipped where
// the memory is the host's.
#pragma once

#include <cstddef>
#include <limits>
#include <memory>
#include <vector>

namespace bpnet {

// Transfer of large data to a device: the host fills one buffer while the previous one is copied and used.
class Feed {
 public:
  virtual ~Feed() = default;
  virtual void* fill() = 0;  // the host's next buffer, once the device has read its contents
  // The device's copy of its first bytes, for work that is queued between this and the next send.
  virtual const void* send(std::size_t bytes) = 0;
};

class Memory {
 public:
  virtual ~Memory() = default;

  virtual bool is_host() const = 0;         // the host reads and writes it directly
  virtual int device() const { return 0; }  // index among several of a kind
  // The number of steps before their sums are read, which waits for a device.
  virtual std::size_t steps_unread() const { return 1; }
  // Called after each of these: waits until at most a few are queued, so that the host, which checks the
  // clock and Ctrl-C between steps, is not far ahead of the device.
  virtual void keep_pace() const {}

  virtual void* allocate(std::size_t bytes) const = 0;  // aligned to kAlignment; throws std::bad_alloc
  virtual void release(void* memory, std::size_t bytes) const noexcept = 0;
  virtual void clear(void* to, std::size_t bytes) const = 0;  // to 0
  // The host's array may change, or be released, after this has returned.
  virtual void to_backend(void* to, const void* host, std::size_t bytes) const = 0;
  virtual void to_host(void* host, const void* from, std::size_t bytes) const = 0;  // after all earlier work
  virtual void within(void* to, const void* from, std::size_t bytes) const = 0;

  virtual std::size_t free_bytes() const { return std::numeric_limits<std::size_t>::max(); }
  // For up to this many bytes at a time. Null where to_backend is as good.
  virtual std::unique_ptr<Feed> make_feed(std::size_t) const { return nullptr; }
};

const Memory& host_memory();

template <class T>
void write_to(const Memory& memory, T* to, const T* host, std::size_t count) {
  if (count > 0) memory.to_backend(to, host, count * sizeof(T));
}
template <class T>
void read_from(const Memory& memory, T* host, const T* from, std::size_t count) {
  if (count > 0) memory.to_host(host, from, count * sizeof(T));
}

// A backend's array for the host to read and write: itself on the host's memory, else a copy.
template <class T>
class HostMirror {
 public:
  // Its contents are read unless the host will write all of it.
  enum class Contents { kRead, kWrite };

  HostMirror(const Memory& memory, T* at, std::size_t count, Contents contents = Contents::kRead)
      : memory_(memory), at_(at) {
    if (memory.is_host()) return;
    copy_.resize(count);
    if (contents == Contents::kRead) read_from(memory, copy_.data(), at, count);
  }

  T* data() { return memory_.is_host() ? at_ : copy_.data(); }
  void send() { write_to(memory_, at_, data(), copy_.size()); }  // copies what the host wrote to the backend

 private:
  const Memory& memory_;
  T* at_;
  std::vector<T> copy_;
};

}  // namespace bpnet
