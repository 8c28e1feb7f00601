#include "engine/slots.h"

namespace transship::engine {

Task<Result<Slots::Held>> Slots::take() {
  if (used_ < limit_ && waiting_.empty()) {
    ++used_;
    co_return Held(this);
  }
  TS_CO_TRY(co_await waiting_.wait([this] { give_back(); }));
  co_return Held(this);
}

Slots::Held Slots::overdraw() {
  ++used_;
  return Held(this);
}

void Slots::give_back() {
  --used_;
  while (used_ < limit_ && !waiting_.empty()) {
    ++used_;
    waiting_.grant();
  }
}

}  // namespace transship::engine
