#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "engine/ranges/connection_pace.h"

namespace transship::engine {

/// How fast the blobs of one source come, each as a whole. One that is far slower than the others
/// hangs on a bad connection, or on a peer that means it so: it is to be broken and asked for again
/// (design 8). Arithmetic over times given by the caller.
class ReadPaces {
 public:
  /// One read, for as long as it runs.
  class One {
   public:
    explicit One(ReadPaces& all);
    One(const One&) = delete;
    One& operator=(const One&) = delete;
    ~One();

    /// To be told about once a second how much of it has come, and whether it had to wait for its
    /// readers. True: it was below a twentieth of the others three measures of six seconds in a
    /// row.
    bool starved(std::uint64_t received, bool waited, Clock::time_point now);
    /// It has brought `bytes` in `took`.
    void ended(std::uint64_t bytes, Clock::duration took);

   private:
    ReadPaces& all_;
    ConnectionPace pace_;
  };

 private:
  double of_others(const ConnectionPace& one) const;

  std::vector<const ConnectionPace*> running_;
  double ended_ = 0;  ///< Bytes a second of those that ended, of late.
};

}  // namespace transship::engine
