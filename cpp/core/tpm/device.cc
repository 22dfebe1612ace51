#include "core/tpm/device.h"

#include <algorithm>
#include <mutex>
#include <thread>

#include "core/tpm/capability.h"

namespace cga::tpm {
namespace {

constexpr std::size_t kMaximumKeys = 4;

/// The kernel's and the daemon's resource managers give every connection its own slots and flush them with it.
bool names_resource_manager(const std::string& tcti) {
  return tcti.empty() || tcti.find("tpmrm") != std::string::npos || tcti.find("tabrmd") != std::string::npos;
}

struct Registry {
  std::mutex mutex;
  std::map<std::string, std::weak_ptr<Device>> devices;
  /// What retired devices have in the TPM, for their successors to flush.
  std::multimap<std::string, std::shared_ptr<LoadedHandles>> left_behind;

  void forget(const std::shared_ptr<LoadedHandles>& handles) {
    const std::lock_guard guard(mutex);
    std::erase_if(left_behind, [&](const auto& entry) { return entry.second == handles; });
  }
};

/// Never destroyed: a thread may still use it while the process ends.
Registry& registry() {
  static auto& instance = *new Registry;
  return instance;
}

void pause(std::chrono::milliseconds length, const CommandClock& clock) {
  const auto end = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < end) {
    if (clock.interrupted()) throw Error(ErrorKind::kAborted, "the TPM client is closed");
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
  ++device->users_;
  return device;
}

void Device::leave(std::shared_ptr<Device> device, CommandClock& clock) {
  if (!device) return;
  Registry& all = registry();
  {
    const std::lock_guard guard(all.mutex);
    if (--device->users_ > 0) return;
    // From here on whoever asks for this TPM gets another device.
    const auto entry = all.devices.find(device->tcti_);
    const std::weak_ptr<Device> self = device;
    if (entry != all.devices.end() && !entry->second.owner_before(self) && !self.owner_before(entry->second)) {
      all.devices.erase(entry);
    }
  }
  device->end(clock);
}

Device::Device(std::string tcti) : tcti_(std::move(tcti)), resource_manager_(names_resource_manager(tcti_)) {}

void Device::end(CommandClock& clock) noexcept {
  CommandClock unwatched;
  clock.begin_call();
  clock_ = &clock;
  if (connection_) connection_->watch(clock);
  registry().forget(handles_);
  if (connection_ && !handles_->taken()) {
    for (auto& [id, key] : keys_) key.flush(*connection_);
  }
  flush_rest();
  if (clock.abandoned()) {
    // The TPM fell silent here, and has answered after all. Nobody waits for this thread any more.
    clock_ = &unwatched;
    if (connection_) connection_->watch(unwatched);
    flush_rest();
  }
  connection_.reset();
}

void Device::flush_rest() noexcept {
  // What is left was loaded by a thread that had been given up, or the link broke with something still in the TPM.
  if (resource_manager_ || handles_->empty()) return;
  Registry& all = registry();
  std::shared_ptr<Device> successor;
  {
    const std::lock_guard guard(all.mutex);
    const auto entry = all.devices.find(tcti_);
    if (entry != all.devices.end()) successor = entry->second.lock();
  }
  try {
    if (successor) handles_->leave_to(*successor->handles_);
    if (connection_ && connection_->broken()) connection_.reset();
    handles_->recover_all(connection());
  } catch (const Error&) {
    // A TPM that cannot be reached now has been switched off, or will be reset before anybody uses it.
  }
}

bool Device::run(CommandClock& clock, const std::function<void(Device&)>& work) {
  if (!lock_.lock()) return false;
  clock.begin_call();
  clock_ = &clock;
  if (connection_) connection_->watch(clock);
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
  auto length = retry::kLink.first_pause;
  for (int attempt = 1;; ++attempt) {
    try {
      work(*this);
      return;
    } catch (const Error& error) {
      const bool broken = connection_ && connection_->broken();
      // It may be what was wrong: a TPM that once answered with a wrong limit must not fail every later NV command.
      nv_chunk_ = 0;
      // A TPM that was never there is reported at once; one that has just gone may come back.
      const bool gone = attempt > 1 && error.kind() == ErrorKind::kTpmUnavailable;
      if (broken) drop_connection();
      if (!(broken || gone) || attempt == retry::kLink.attempts) throw;
    }
    pause(length, *clock_);
    length *= 2;
  }
}

void Device::retire() {
  Registry& all = registry();
  {
    const std::lock_guard guard(all.mutex);
    const auto entry = all.devices.find(tcti_);
    // By ownership and not by lock(): the last pointer to a device must not be dropped under this mutex.
    const std::weak_ptr<Device> self = weak_from_this();
    const bool current =
        entry != all.devices.end() && !entry->second.owner_before(self) && !self.owner_before(entry->second);
    if (current) all.devices.erase(entry);
    if (!resource_manager_) all.left_behind.emplace(tcti_, handles_);
  }
  lock_.retire();
}

void Device::park_if_idle(CommandClock& clock) {
  if (!wants_parking()) return;
  (void)run(clock, [](Device& device) {
    if (Clock::now() - device.last_used_ < kIdle || !device.connection_) return;
    for (auto& [name, key] : device.keys_) key.park(*device.connection_);
  });
}

Connection& Device::connection() {
  if (!connection_) {
    connection_ = std::make_unique<Connection>(tcti_, *clock_);
    connection_->set_relief([this] { return park_others(); });
    if (!resource_manager_) recover();
  }
  return *connection_;
}

void Device::recover() {
  connection_->set_loaded_handles(handles_.get());
  Registry& all = registry();
  std::vector<std::shared_ptr<LoadedHandles>> left_behind;
  {
    const std::lock_guard guard(all.mutex);
    const auto [first, last] = all.left_behind.equal_range(tcti_);
    for (auto entry = first; entry != last; ++entry) left_behind.push_back(entry->second);
  }
  try {
    handles_->recover_lost(*connection_);
    for (const auto& handles : left_behind) {
      handles->recover_all(*connection_);
      all.forget(handles);
    }
  } catch (...) {
    if (!connection_->broken()) connection_.reset();  // the next call tries again
    throw;
  }
}

EphemeralKey& Device::ephemeral_key(const EphemeralKeyId& id) {
  if (!keys_.contains(id) && keys_.size() == kMaximumKeys) {
    const auto victim = keys_.begin();
    if (connection_) victim->second.flush(*connection_);
    keys_.erase(victim);
  }
  EphemeralKey& key = keys_.try_emplace(id, id).first->second;
  in_use_ = &key;
  return key;
}

NonVolatile Device::non_volatile() {
  if (nv_chunk_ == 0) nv_chunk_ = nv_buffer_maximum(connection());
  return NonVolatile(connection(), nv_chunk_);
}

void Device::drop_connection() noexcept {
  // A resource manager flushes what belonged to the connection; without one the handles stay valid.
  if (resource_manager_) {
    for (auto& [name, key] : keys_) key.forget(*connection_);
  }
  connection_.reset();
  nv_chunk_ = 0;
}

bool Device::park_others() noexcept {
  bool freed = false;
  for (auto& [name, key] : keys_) {
    if (&key != in_use_ && connection_) freed = key.park(*connection_) || freed;
  }
  return freed;
}

}  // namespace cga::tpm
