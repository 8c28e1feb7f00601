#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "support/http/raw_server.h"

namespace transship::test {

/// What is done to one request on its way.
enum class Fault : std::uint8_t {
  kNone,
  kRefuse,       ///< The connection ends before an answer; the registry is not asked.
  kResetInBody,  ///< A reset in the middle of the request's body, else of the answer's.
  kResetAfter,   ///< The registry did it, and the answer is lost.
  kCut,          ///< The same place as kResetInBody, but an orderly end.
  kCorrupt,      ///< A byte of a blob is flipped, in the direction in which it goes.
  kLetter,       ///< A letter of a manifest that is read is another one.
  kStall,        ///< Nothing more from the middle of an answer's body on, until the client goes.
  kDelay,        ///< The answer comes after `delay`.
  kDuplicate,    ///< The registry gets it twice, and the second answer counts.
  k429,
  k500,
  k502,
  k503
};
inline constexpr std::size_t kFaults = 14;
std::string_view to_string(Fault fault);

/// Stands between a client and a real registry, and spoils some of the requests.
///
/// What happens to a request is a function of the seed, of what is asked, and of how often it was
/// asked before: runs with the same seed spoil the same requests, whatever their order.
class FaultProxy {
 public:
  struct Plan {
    std::vector<Fault> faults{};  ///< One of them, by the seed.
    double share = 0.2;           ///< Of the requests.
    std::uint64_t seed = 1;
    std::chrono::milliseconds delay{2'000};
    std::string retry_after{"1"};  ///< Of 429 and 503; empty: none.
    std::uint64_t per_second = 0;  ///< More in a second are answered 429; 0: any.
  };
  struct Figures {
    std::uint64_t requests = 0, spoiled = 0;
    std::map<Fault, std::uint64_t> by_fault;
    std::uint64_t uploaded = 0;    ///< Body bytes of blob uploads that reached the registry.
    std::uint64_t downloaded = 0;  ///< Body bytes of blobs that went to the client.
    std::uint64_t refused = 0;     ///< 429s, the registry's own too.
  };

  FaultProxy(std::uint16_t registry_port, Plan plan);

  std::uint16_t port() const { return server_.port(); }
  std::string host() const { return server_.host(); }
  Figures figures() const;
  /// Nothing is spoiled any more.
  void heal();

 private:
  struct Exchange;
  void serve(RawConnection& client);
  bool one(RawConnection& client, const std::string& head);
  bool forward(RawConnection& client, Exchange& exchange);
  bool give(RawConnection& client, Exchange& exchange, std::string answer);
  Fault draw(Exchange& exchange);
  bool admitted();
  void count(const Exchange& exchange);

  std::uint16_t upstream_;
  mutable std::mutex mutex_;
  Plan plan_;
  Figures figures_;
  std::map<std::string, std::uint64_t> asked_;  ///< How often, by what is asked.
  std::chrono::steady_clock::time_point second_{};
  std::uint64_t within_second_ = 0;
  RawServer server_;  ///< Last: its threads end before the rest goes.
};

}  // namespace transship::test
