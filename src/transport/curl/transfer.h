#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "transport/address.h"
#include "transport/curl/deadlines.h"
#include "transport/curl/host_rules.h"
#include "transport/curl/pacer.h"
#include "transport/http.h"

namespace transship::transport {

/// One exchange to be made: a request, or one hop of its redirects. Made on the control shard.
struct TransferSpec {
  Request* request = nullptr;  ///< Lives until the transfer has ended.
  Url url;
  Headers headers;
  bool http2 = false;  ///< Asked for; the server may say no.
  TlsMaterial tls;
  std::string proxy;  ///< Empty: none.
  AddressRule addresses;
  Bandwidth* bandwidth = nullptr;  ///< Or no limit. Outlives the transfer.
  std::chrono::milliseconds stall_timeout{};
  bool known_host = false;  ///< It has answered before: a failure to reach it may pass.
};

struct TransferEnd {
  Result<Response> result = fail(Errc::kInternal, "not ended");
  std::chrono::nanoseconds first_byte{};
  std::uint64_t bytes_sent = 0;
  std::uint64_t bytes_received = 0;
  long connections = 0;             ///< Opened for this transfer.
  std::optional<AddressKind> peer;  ///< Where it led; through a proxy only a literal tells.
  /// An error that the other side or the way there made, not a body, a limit or the caller.
  bool by_peer = false;
};

/// What curl calls for one exchange, and what becomes of it. Lives on one shard; never completes
/// from inside a callback.
class Transfer : public std::enable_shared_from_this<Transfer> {
 public:
  /// `done` is called once, on the transfer's shard.
  Transfer(TransferSpec spec, const Options& options,
           std::move_only_function<void(TransferEnd)> done);
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;
  ~Transfer();

  const TransferSpec& spec() const { return spec_; }

  /// What a transfer asks of its shard, from anywhere there: they only note and post.
  struct Wakers {
    std::function<void(Transfer&)> now;  ///< A paused body is worth asking again.
    std::function<void(Transfer&, Clock::time_point)> later;
  };
  /// Sets all options of `easy` (a CURL*).
  Result<void> attach(void* easy, void* share, Wakers wakers);
  /// The time that `later` was asked for has come. The shard then continues it.
  void time_came() { send_woken_ = receive_woken_ = true; }
  /// Continues what a waker asked for. From the loop only.
  /// False: it failed in this, and is to be ended.
  [[nodiscard]] bool unpause();
  /// The error of a deadline that has passed, once.
  std::optional<Error> overdue(Clock::time_point now);
  /// Ends with `error`, whatever curl says.
  void fail_with(Error error);
  /// `code` (a CURLcode) is the end of the transfer; `easy` is still readable.
  TransferEnd finish(int code);
  void complete(TransferEnd end) { done_(std::move(end)); }

  std::size_t slot = 0;     ///< Position in the shard's list.
  void* easy = nullptr;     ///< The handle, while it runs.
  bool wake_noted = false;  ///< It stands in the shard's list of wakes.
  int socket = -1;          ///< That curl last waited on for it, once it has; of a connection that
                            ///< others share only the first of them knows.

 private:
  friend struct TransferCallbacks;
  void set_basics();
  void set_method();
  void set_buffers();
  void set_tls();
  void set_callbacks();
  Result<void> set_headers();
  void set_wakers();
  void take_header(std::string_view line);
  bool head_complete();
  std::size_t take_body(std::span<const std::byte> bytes);
  void tell_round_trips();
  std::size_t take_unpaced(std::span<const std::byte> bytes);
  std::size_t keep_body(std::span<const std::byte> bytes);
  std::size_t give_body(std::span<std::byte> out);
  std::size_t give_small_body(std::span<std::byte> out);
  bool held_back(Clock::time_point until);
  bool accept_address(AddressKind kind);
  TransferProgress sample() const;
  Error curl_failure(int code) const;
  Result<Response> outcome(int code);
  std::uint64_t upload_size() const;
  std::string what() const;

  TransferSpec spec_;
  const Options& options_;
  std::move_only_function<void(TransferEnd)> done_;
  Wakers wakers_;
  Deadlines deadlines_;
  Response response_;
  std::optional<Error> failure_;
  std::array<char, 256> curl_text_{};
  void* header_list_ = nullptr;
  std::size_t header_bytes_ = 0;
  std::uint64_t given_ = 0;  ///< Body bytes handed to curl.
  std::uint64_t taken_ = 0;  ///< By the request's sink.
  Clock::time_point sent_at_{};
  Clock::time_point head_at_{};
  Clock::time_point send_at_{};     ///< Not earlier, by the bandwidth.
  Clock::time_point receive_at_{};  ///< The same.
  Clock::time_point noted_{};       ///< For which the shard was asked last.
  bool head_done_ = false;
  bool to_sink_ = false;
  bool overdue_ = false;
  bool enough_ = false;  ///< The rest of a body that nobody wants was cut off.
  bool send_paused_ = false;
  bool receive_paused_ = false;
  bool send_woken_ = false;
  bool receive_woken_ = false;
};

}  // namespace transship::transport
