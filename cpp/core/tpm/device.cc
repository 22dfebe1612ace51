#include "core/tpm/device.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "core/tpm/capability.h"

namespace cga::tpm {
namespace {

/// How often work is tried again on a new connection, with pauses of 50 ms, 100 ms and so on: a TPM that restarts
/// (a software TPM, a resource manager) is back by then.
constexpr int kLinkAttempts = 6;
constexpr std::chrono::milliseconds kFirstLinkPause{50};
constexpr std::size_t kMaximumKeys = 4;

/// The kernel's and the daemon's resource managers give every connection its own slots and flush them with it.
bool names_resource_manager(const std::string& tcti) {
  return tcti.empty() || tcti.find("tpmrm") != std::string::npos || tcti.find("tabrmd") != std::string::npos;
}

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Device>> devices;
};

/// Never destroyed: a thread may still use it while the process ends.
Registry& registry() {
  static auto& instance = *new Registry;
  return instance;
}

void pause(std::chrono::milliseconds length) {
  const CommandClock* clock = CommandClock::current();
  const auto end = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < end) {
    if (clock != nullptr && clock->interrupted()) throw Error(ErrorKind::kAborted, "the TPM client is closed");
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

}  // namespace

std::shared_ptr<Device> Device::shared(const std::string& tcti) {
  Registry& all = registry();
  const std::lock_guard guard(all.mutex);
  std::weak_ptr<Device>& slot = all.devices[tcti];
  std::shared_ptr<Device> device = slot.lock();
  if (!device) {
    std::erase_if(all.devices, [&](const auto& entry) { return entry.first != tcti && entry.second.expired(); });
    device = std::make_shared<Device>(tcti);
    all.devices[tcti] = device;
  }
  return device;
}

Device::Device(std::string tcti) : tcti_(std::move(tcti)), resource_manager_(names_resource_manager(tcti_)) {}

Device::~Device() {
  if (!connection_) return;
  for (auto& [selection, key] : keys_) key.flush(*connection_);
}

bool Device::run(const std::function<void(Device&)>& work) {
  if (!lock_.lock()) return false;
  struct Unlock {
    Device& device;
    ~Unlock() {
      device.in_use_ = nullptr;
      device.last_used_ = Clock::now();
      device.wants_parking_.store(
          !device.resource_manager_ && std::any_of(device.keys_.begin(), device.keys_.end(),
                                                   [](const auto& entry) { return entry.second.loaded(); }),
          std::memory_order_relaxed);
      device.lock_.unlock();
    }
  } unlock{*this};
  run_with_fresh_link(work);
  return true;
}

void Device::run_with_fresh_link(const std::function<void(Device&)>& work) {
  auto length = kFirstLinkPause;
  for (int attempt = 1;; ++attempt) {
    try {
      work(*this);
      return;
    } catch (const Error& error) {
      const bool broken = connection_ && connection_->broken();
      // A TPM that was never there is reported at once; one that has just gone may come back.
      const bool gone = attempt > 1 && error.kind() == ErrorKind::kTpmUnavailable;
      if (broken) drop_connection();
      if (!(broken || gone) || attempt == kLinkAttempts) throw;
    }
    pause(length);
    length *= 2;
  }
}

void Device::retire() {
  Registry& all = registry();
  {
    const std::lock_guard guard(all.mutex);
    const auto entry = all.devices.find(tcti_);
    if (entry != all.devices.end() && entry->second.lock().get() == this) all.devices.erase(entry);
  }
  lock_.retire();
}

void Device::park_if_idle() {
  if (!wants_parking()) return;
  (void)run([](Device& device) {
    if (Clock::now() - device.last_used_ < kIdle || !device.connection_) return;
    for (auto& [selection, key] : device.keys_) key.park(*device.connection_);
  });
}

Connection& Device::connection() {
  if (!connection_) {
    connection_ = std::make_unique<Connection>(tcti_);
    connection_->set_relief([this] { return park_others(); });
  }
  return *connection_;
}

EphemeralKey& Device::ephemeral_key(const PcrSelection& selection) {
  if (!keys_.contains(selection) && keys_.size() == kMaximumKeys) {
    const auto victim = keys_.begin();
    if (connection_) victim->second.flush(*connection_);
    keys_.erase(victim);
  }
  EphemeralKey& key = keys_.try_emplace(selection, selection).first->second;
  in_use_ = &key;
  return key;
}

NonVolatile Device::non_volatile() {
  if (nv_chunk_ == 0) nv_chunk_ = nv_buffer_maximum(connection());
  return NonVolatile(connection(), nv_chunk_);
}

void Device::drop_connection() noexcept {
  connection_.reset();
  nv_chunk_ = 0;
  // A resource manager flushes what belonged to the connection; without one the handles stay valid.
  if (resource_manager_) {
    for (auto& [selection, key] : keys_) key.forget();
  }
}

bool Device::park_others() noexcept {
  bool freed = false;
  for (auto& [selection, key] : keys_) {
    if (&key != in_use_ && connection_) freed = key.park(*connection_) || freed;
  }
  return freed;
}

}  // namespace cga::tpm
