#pragma once

#include <memory>

#include "storage/file_io.h"

namespace transship::storage {

std::unique_ptr<FileIo> make_pool_io(Executor executor, WorkerPool& pool);

/// Nothing where the kernel refuses io_uring.
std::unique_ptr<FileIo> make_uring_io(Executor executor);

}  // namespace transship::storage
