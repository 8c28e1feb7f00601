#include "engine/progress.h"

namespace transship::engine {

Progress& silent_progress() {
  static SilentProgress instance;
  return instance;
}

}  // namespace transship::engine
