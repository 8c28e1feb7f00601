#include "transport/curl/transfer.h"

#include <curl/curl.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>

#include "base/text.h"
#include "transport/curl/curl_errors.h"
#include "transport/curl/round_trips.h"
#include "transport/curl/transfer_callbacks.h"

namespace transship::transport {

namespace {

constexpr std::size_t kMaxIgnoredBody = 64ULL << 10U;
constexpr std::uint64_t kTellEvery = 1ULL << 20U;

// A large body may be one of many that share a thin line; what is small, or kept in memory, holds
// its reader up for as long as it comes.
constexpr std::uint64_t kLargeBody = 1ULL << 20U;
constexpr std::uint64_t kLeastRateOfLarge = 100;
constexpr std::uint64_t kLeastRateOfSmall = 1000;

DeadlineLimits limits_of(const TransferSpec& spec, const Options& options) {
  const Request& request = *spec.request;
  const auto base = request.first_byte_timeout == Request{}.first_byte_timeout
                        ? options.first_byte_timeout
                        : request.first_byte_timeout;
  const std::uint64_t settles =
      std::max(request.source == nullptr ? 0 : request.content_length, request.settle_bytes);
  const std::chrono::milliseconds settling(settles * 1000 /
                                           std::max<std::uint64_t>(options.upload_settle_rate, 1));
  const bool large = std::max(request.content_length, request.expected_bytes) > kLargeBody;
  return {.first_byte = base + settling,
          .stall = spec.stall_timeout,
          .least_rate = large ? kLeastRateOfLarge : kLeastRateOfSmall};
}

std::string describe(Overdue late, const Deadlines& deadlines) {
  const auto seconds = [](auto limit) { return std::chrono::duration<double>(limit).count(); };
  const DeadlineLimits& limits = deadlines.limits();
  switch (late) {
    case Overdue::kHead:
      return fmt::format("no answer within {} s", seconds(limits.first_byte));
    case Overdue::kByte:
      return fmt::format("no byte for {} s", seconds(limits.stall));
    case Overdue::kRate:
      return fmt::format("fewer than {} bytes a second for {} s", limits.least_rate,
                         seconds(deadlines.span()));
  }
  return "";
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

template <class T>
T info(void* easy, CURLINFO what) {
  T value{};
  curl_easy_getinfo(easy, what, &value);
  return value;
}

}  // namespace

Transfer::Transfer(TransferSpec spec, const Options& options,
                   std::move_only_function<void(TransferEnd)> done)
    : spec_(std::move(spec)),
      options_(options),
      done_(std::move(done)),
      deadlines_(limits_of(spec_, options)) {}

Transfer::~Transfer() { curl_slist_free_all(static_cast<curl_slist*>(header_list_)); }

std::string Transfer::what() const {
  return redact(fmt::format("{} {}", to_string(spec_.request->method), spec_.url.to_string()));
}

std::uint64_t Transfer::upload_size() const {
  return spec_.request->source != nullptr ? spec_.request->content_length
                                          : spec_.request->body.size();
}

// ---- the head

void Transfer::take_header(std::string_view line) {
  while (line.ends_with('\n') || line.ends_with('\r')) line.remove_suffix(1);
  if (head_done_) return;  // A trailer.
  if (line.starts_with("HTTP/")) {
    response_.headers = {};
    header_bytes_ = 0;
    return;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return;
  response_.headers.add(std::string(trim(line.substr(0, colon))),
                        std::string(trim(line.substr(colon + 1))));
}

bool Transfer::head_complete() {
  const auto status = static_cast<int>(info<long>(easy, CURLINFO_RESPONSE_CODE));
  if (status < 200) return true;
  head_done_ = true;
  head_at_ = Clock::now();
  response_.status = status;
  const long version = info<long>(easy, CURLINFO_HTTP_VERSION);
  response_.http_version = version == CURL_HTTP_VERSION_2_0 ? 20 : 11;
  response_.final_url = spec_.url;
  Request& request = *spec_.request;
  // Curl stops sending at a refusal, but not before a paused body goes on.
  if (status >= 300 && send_paused_) {
    send_woken_ = true;
    wakers_.now(*this);
  }
  to_sink_ = request.sink != nullptr && (status == 200 || status == 206);
  if (!to_sink_ || !request.on_head) return true;
  if (auto agreed = request.on_head(response_); !agreed) {
    fail_with(std::move(agreed).error());
    return false;
  }
  return true;
}

// ---- the body that comes

bool Transfer::held_back(Clock::time_point until) {
  if (spec_.bandwidth == nullptr || until <= Clock::now()) return false;
  if (std::exchange(noted_, until) != until) wakers_.later(*this, until);
  return true;
}

std::size_t Transfer::take_body(std::span<const std::byte> bytes) {
  if (held_back(receive_at_)) {
    receive_paused_ = true;
    return CURL_WRITEFUNC_PAUSE;
  }
  const std::size_t taken = take_unpaced(bytes);
  if (spec_.bandwidth != nullptr && taken == bytes.size()) {
    const auto now = Clock::now();
    receive_at_ = now + spec_.bandwidth->down.reserve(taken, now);
  }
  return taken;
}

std::size_t Transfer::take_unpaced(std::span<const std::byte> bytes) {
  if (!to_sink_) return keep_body(bytes);
  switch (spec_.request->sink->write(bytes)) {
    case Flow::kMoved:
      if (taken_ / kTellEvery != (taken_ + bytes.size()) / kTellEvery) tell_round_trips();
      taken_ += bytes.size();
      return bytes.size();
    case Flow::kWait:
      receive_paused_ = true;
      return CURL_WRITEFUNC_PAUSE;
    case Flow::kEnd:
    case Flow::kFailed:
      fail_with(spec_.request->sink->failure());
      return 0;
  }
  return 0;
}

void Transfer::tell_round_trips() {
  // Curl names its active socket only when the transfer has ended.
  const auto way = round_trips_of(socket);
  if (way) spec_.request->sink->note(*way);
}

std::size_t Transfer::keep_body(std::span<const std::byte> bytes) {
  const Request& request = *spec_.request;
  std::string& body = response_.body;
  if (request.follow_redirects && is_redirect(response_.status)) {
    enough_ = body.size() + bytes.size() > kMaxIgnoredBody;
    if (enough_) return 0;
  } else if (body.size() + bytes.size() > request.max_body) {
    fail_with(
        Error{.code = Errc::kTooLarge,
              .message = fmt::format("{}: body above {}", what(), human_bytes(request.max_body))});
    return 0;
  }
  body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return bytes.size();
}

// ---- the body that goes

std::size_t Transfer::give_small_body(std::span<std::byte> out) {
  const std::string& body = spec_.request->body;
  const std::size_t n = std::min(out.size(), body.size() - given_);
  std::copy_n(reinterpret_cast<const std::byte*>(body.data()) + given_, n, out.data());
  given_ += n;
  return n;
}

std::size_t Transfer::give_body(std::span<std::byte> out) {
  const Request& request = *spec_.request;
  if (request.source == nullptr) return give_small_body(out);
  const std::uint64_t left = request.content_length - given_;
  // After a refusal nothing is sent any more; the connection is not used again.
  if (left == 0 || (head_done_ && response_.status >= 300)) return 0;
  if (held_back(send_at_)) {
    send_paused_ = true;
    return CURL_READFUNC_PAUSE;
  }
  // One byte more than was promised shows a body that is too long before its end has left.
  if (out.size() > left) out = out.first(static_cast<std::size_t>(left) + 1);
  const BodySource::Read read = request.source->read(out);
  switch (read.flow) {
    case Flow::kMoved:
      break;
    case Flow::kWait:
      send_paused_ = true;
      return CURL_READFUNC_PAUSE;
    case Flow::kEnd:
      fail_with(Error{.code = Errc::kSizeMismatch,
                      .message = fmt::format("{}: the body ended after {} of {} bytes", what(),
                                             given_, request.content_length)});
      return CURL_READFUNC_ABORT;
    case Flow::kFailed:
      fail_with(request.source->failure());
      return CURL_READFUNC_ABORT;
  }
  if (read.bytes > left) {
    fail_with(Error{.code = Errc::kSizeMismatch,
                    .message = fmt::format("{}: the body is longer than {} bytes", what(),
                                           request.content_length)});
    return CURL_READFUNC_ABORT;
  }
  given_ += read.bytes;
  if (spec_.bandwidth != nullptr) {
    const auto now = Clock::now();
    send_at_ = now + spec_.bandwidth->up.reserve(read.bytes, now);
  }
  return read.bytes;
}

// ---- pausing

void Transfer::set_wakers() {
  Request& request = *spec_.request;
  auto waker = [this](bool Transfer::* flag) {
    return [weak = weak_from_this(), flag] {
      if (auto self = weak.lock()) {
        (*self).*flag = true;
        if (self->wakers_.now) self->wakers_.now(*self);
      }
    };
  };
  if (request.source != nullptr) request.source->set_waker(waker(&Transfer::send_woken_));
  if (request.sink != nullptr) request.sink->set_waker(waker(&Transfer::receive_woken_));
}

bool Transfer::unpause() {
  if (std::exchange(send_woken_, false)) send_paused_ = false;
  if (std::exchange(receive_woken_, false)) receive_paused_ = false;
  // The callbacks may run inside this call, and pause again.
  const int mask = (send_paused_ ? CURLPAUSE_SEND : 0) | (receive_paused_ ? CURLPAUSE_RECV : 0);
  return curl_easy_pause(easy, mask) == CURLE_OK || !failure_;
}

// ---- time

TransferProgress Transfer::sample() const {
  TransferProgress p;
  p.started = sent_at_ != Clock::time_point{};
  p.head = head_done_;
  p.sent = static_cast<std::uint64_t>(info<curl_off_t>(easy, CURLINFO_SIZE_UPLOAD_T));
  p.received = static_cast<std::uint64_t>(info<curl_off_t>(easy, CURLINFO_SIZE_DOWNLOAD_T));
  p.uploaded = spec_.request->source == nullptr || p.sent >= upload_size();
  p.send_paused = send_paused_;
  p.receive_paused = receive_paused_;
  return p;
}

std::optional<Error> Transfer::overdue(Clock::time_point now) {
  const auto late = deadlines_.check(sample(), now);
  if (!late) return std::nullopt;
  overdue_ = true;
  return Error{.code = *late == Overdue::kHead ? Errc::kTimeout : Errc::kStalled,
               .message = fmt::format("{}: {}", what(), describe(*late, deadlines_)),
               .retryable = true};
}

// ---- the end

void Transfer::fail_with(Error error) {
  if (!failure_) failure_ = std::move(error);
}

bool Transfer::accept_address(AddressKind kind) {
  if (spec_.addresses.allows(kind)) return true;
  const Request& asked = *spec_.request;
  fail_with(private_address_error(asked.named_by.value_or(asked.url), spec_.url, kind));
  return false;
}

Error Transfer::curl_failure(int code) const {
  CurlFailure f;
  f.code = code;
  f.os_errno = info<long>(easy, CURLINFO_OS_ERRNO);
  f.verify_result = info<long>(easy, CURLINFO_SSL_VERIFYRESULT);
  f.text = curl_text_.data();
  f.url = &spec_.url;
  const std::string action = what();
  f.what = action;
  f.known_host = spec_.known_host;
  f.proxied = !spec_.proxy.empty();
  return curl_error(f);
}

Result<Response> Transfer::outcome(int code) {
  if (failure_) return std::unexpected(std::move(*failure_));
  // A refusal that came before our body was through, or was itself cut, is an answer.
  const bool refused = head_done_ && response_.status >= 400;
  if (code != CURLE_OK && !enough_ && !refused) return std::unexpected(curl_failure(code));
  if (!head_done_) return std::unexpected(curl_failure(CURLE_GOT_NOTHING));
  const bool accepted = response_.status < 300;
  if (accepted && spec_.request->source != nullptr && given_ < upload_size()) {
    Error error{.code = Errc::kNetwork,
                .message = fmt::format("{}: HTTP {} before the body was through", what(),
                                       response_.status)};
    return std::unexpected(std::move(error).again());
  }
  if (spec_.url.scheme == "http" && response_.status == 400 && wants_tls(response_.body)) {
    return std::unexpected(wants_tls_error(spec_.url));
  }
  return std::move(response_);
}

TransferEnd Transfer::finish(int code) {
  TransferEnd end;
  end.bytes_sent = static_cast<std::uint64_t>(info<curl_off_t>(easy, CURLINFO_SIZE_UPLOAD_T));
  end.bytes_received = static_cast<std::uint64_t>(info<curl_off_t>(easy, CURLINFO_SIZE_DOWNLOAD_T));
  end.connections = info<long>(easy, CURLINFO_NUM_CONNECTS);
  if (head_done_) end.first_byte = head_at_ - sent_at_;
  if (spec_.proxy.empty()) {
    const char* ip = info<char*>(easy, CURLINFO_PRIMARY_IP);
    if (ip != nullptr && *ip != '\0') end.peer = kind_of_literal(ip);
  } else {
    end.peer = kind_of_literal(spec_.url.host);  // The address is the proxy's.
  }
  response_.bytes_sent = end.bytes_sent;
  response_.bytes_received = end.bytes_received;
  end.by_peer = !failure_ || overdue_;
  end.result = outcome(code);
  return end;
}

}  // namespace transship::transport
