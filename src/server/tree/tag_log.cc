#include "server/tree/tag_log.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <cstring>
#include <vector>

namespace transship::server {

namespace {

constexpr std::size_t kHeader = sizeof(std::uint32_t) + sizeof(std::uint64_t);

template <class T>
void put_number(std::string& out, T value) {
  char bytes[sizeof value];
  std::memcpy(bytes, &value, sizeof value);
  out.append(bytes, sizeof value);
}

void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<std::uint32_t>(text.size()));
  out += text;
}

/// Takes a payload apart; `bad` once it does not hold what it should.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  template <class T>
  T number() {
    T value{};
    const std::string_view raw = take(sizeof value);
    raw.copy(reinterpret_cast<char*>(&value), sizeof value);
    return value;
  }
  std::string_view text() { return take(number<std::uint32_t>()); }
  bool bad() const { return bad_; }
  bool at_end() const { return rest_.empty(); }

 private:
  std::string_view take(std::size_t n) {
    bad_ = bad_ || n > rest_.size();
    if (bad_) return {};
    const std::string_view out = rest_.substr(0, n);
    rest_.remove_prefix(n);
    return out;
  }

  std::string_view rest_;
  bool bad_ = false;
};

std::optional<Change> read_change(Fields& fields) {
  Change out;
  out.kind = static_cast<Change::Kind>(fields.number<char>());
  const std::string_view digest = fields.text();
  out.tag = fields.text();
  out.media_type = fields.text();
  out.size = fields.number<std::uint64_t>();
  const std::string_view subject = fields.text();
  out.referrer = fields.text();
  if (fields.bad()) return std::nullopt;
  if (!digest.empty()) {
    auto parsed = oci::Digest::parse(digest);
    if (!parsed) return std::nullopt;
    out.digest = std::move(*parsed);
  }
  if (!subject.empty()) {
    auto parsed = oci::Digest::parse(subject);
    if (!parsed) return std::nullopt;
    out.subject = std::move(*parsed);
  }
  return out;
}

std::optional<std::vector<Change>> read_payload(std::string_view payload) {
  Fields fields(payload);
  std::vector<Change> out;
  while (!fields.at_end()) {
    auto change = read_change(fields);
    if (!change) return std::nullopt;
    out.push_back(std::move(*change));
  }
  return out;
}

}  // namespace

std::string encode_record(std::span<const Change> changes) {
  std::string payload;
  for (const Change& change : changes) {
    put_number(payload, static_cast<char>(change.kind));
    put_text(payload, change.digest.empty() ? "" : change.digest.to_string());
    put_text(payload, change.tag);
    put_text(payload, change.media_type);
    put_number(payload, change.size);
    put_text(payload, change.subject ? change.subject->to_string() : "");
    put_text(payload, change.referrer);
  }
  std::string out;
  put_number(out, static_cast<std::uint32_t>(payload.size()));
  put_number(out, static_cast<std::uint64_t>(XXH64(payload.data(), payload.size(), 0)));
  return out + payload;
}

std::size_t replay_records(std::string_view bytes, const std::function<void(Change)>& apply) {
  std::size_t good = 0;
  for (;;) {
    const std::string_view rest = bytes.substr(good);
    if (rest.size() < kHeader) return good;
    Fields header(rest);
    const auto length = header.number<std::uint32_t>();
    const auto checksum = header.number<std::uint64_t>();
    // A file extended by a crash may end in zeros: an empty payload is no record.
    if (length == 0 || length > rest.size() - kHeader) return good;
    const std::string_view payload = rest.substr(kHeader, length);
    if (XXH64(payload.data(), payload.size(), 0) != checksum) return good;
    auto changes = read_payload(payload);
    if (!changes) return good;
    for (Change& change : *changes) apply(std::move(change));
    good += kHeader + length;
  }
}

}  // namespace transship::server
