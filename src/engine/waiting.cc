#include "engine/waiting.h"

namespace transship::engine {

std::string_view to_string(Cause cause) {
  switch (cause) {
    case Cause::kNothing:
      return "nothing";
    case Cause::kSource:
      return "source";
    case Cause::kTarget:
      return "target";
    case Cause::kOthers:
      return "other targets";
    case Cause::kHash:
      return "hash";
  }
  return "nothing";
}

void Waiting::add(const Waiting& more) {
  source += more.source;
  target += more.target;
  others += more.others;
  hash += more.hash;
  disk += more.disk;
  rate_limit += more.rate_limit;
}

void WaitClock::turn(Cause cause, Clock::time_point now) {
  const Clock::duration passed = now - since_;
  switch (cause_) {
    case Cause::kNothing:
      break;
    case Cause::kSource:
      sum_.source += passed;
      break;
    case Cause::kTarget:
      sum_.target += passed;
      break;
    case Cause::kOthers:
      sum_.others += passed;
      break;
    case Cause::kHash:
      sum_.hash += passed;
      break;
  }
  cause_ = cause;
  since_ = now;
}

}  // namespace transship::engine
