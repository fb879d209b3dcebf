// SPDX-License-Identifier: Apache-2.0
// The loop of the control process; see control.h.
//
//   registry (25 ms) ─▶ model ─▶ compile ─▶ publish ─▶ rings          events ─▶ interest ─▶ compile
//   every second: identities, heartbeat, expiry
#include "control.h"

#include "log.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>

#define BIT(kind) (1u << STORE_##kind)
#define COMPILED_KINDS                                                                             \
	(BIT(service) | BIT(policy) | BIT(route) | BIT(instance) | BIT(location) | BIT(node) |     \
	 BIT(name) | BIT(trust) | BIT(ticket_key))

// What an operator does about a file that cannot be used.
#define LOCAL_CURE                                                                                 \
	"; move it away and start again: the node asks for its identity anew, with a new join "    \
	"token (millrace node token)"
#define REGISTRY_CURE                                                                              \
	"; registry.path must name a whole registry: bring back a copy, or move it away and set "  \
	"services again"

uint64_t control_now_s(void)
{
	return (uint64_t)time(NULL);
}

// is_same_set is true when a new compile says what the last one said.
static bool is_same_set(const struct rowset *a, const struct rowset *b)
{
	if (!a || a->count != b->count)
		return false;
	for (uint32_t i = 0; i < a->count; i++)
		if (rowset_compare(&a->rows[i], &b->rows[i]) != 0 ||
		    !rowset_equal(&a->rows[i], &b->rows[i]))
			return false;
	return true;
}

static void compile_now(struct control *control)
{
	struct compile_input input = {
		.self = control->self,
		.registry = control->registry,
		.local = control->local,
		.number_route = control_number_route,
		.user = control,
	};
	input.certs = certs_rows(control->certs, &input.cert_count);
	struct rowset *set = compile_run(&input);
	if (!set) {
		log_error("out of memory: the data plane keeps what it has");
		return;
	}
	if (!is_same_set(publish_latest(control->publish), set))
		publish_set(control->publish, set);
	rowset_drop(set);
	attach_flush(control->attach);
}

// compile_due compiles what is due, and then rests for as long as that took.
static void compile_due(struct control *control)
{
	uint64_t begin_ns = uv_hrtime();
	if (!control->is_compile_due)
		return;
	control->is_compile_due = false;
	compile_now(control);
	uint64_t end_ns = uv_hrtime();
	control->compile_after_ns = end_ns + (end_ns - begin_ns);
}

// on_due compiles first: what identities call for takes longer, and no route waits for it.
static void on_due(uv_timer_t *timer)
{
	struct control *control = timer->data;
	compile_due(control);
	if (control->is_identity_due) {
		control->is_identity_due = false;
		control_identity_run(control, control_now_s());
	}
}

static void start_due(struct control *control)
{
	uint64_t now_ns = uv_hrtime(), after_ns = control->compile_after_ns;
	uint64_t wait_ms = after_ns > now_ns ? (after_ns - now_ns) / 1000000 : 0;
	if (!control->is_ending && !uv_is_active((uv_handle_t *)&control->due))
		uv_timer_start(&control->due, on_due, wait_ms, 0);
}

void control_compile_soon(struct control *control)
{
	control->is_compile_due = true;
	start_due(control);
}

// It keeps the last state when the registry cannot be read.
void control_catch_up(struct control *control)
{
	uint32_t changed = 0;
	enum store_result result =
		model_follow(control->registry, control->registry_store, &changed);
	bool is_broken = result == STORE_BROKEN;
	if (is_broken && !control->is_registry_broken)
		log_error("registry: %s; the last state is kept",
			  store_error(control->registry_store));
	if (!is_broken && control->is_registry_broken)
		log_info("registry: back");
	control->is_registry_broken = is_broken;
	control->registry_changed |= changed;
}

// identity_kinds is what this node's identities, or those that it signs, hang on: instances give
// names where they run, routes give hosts to an edge. Another change is no reason to look at
// certificates, which takes half a millisecond that the next command would wait.
static uint32_t identity_kinds(const struct control *control)
{
	uint32_t kinds = BIT(svid) | BIT(trust);
	if (control->self.role == CONF_ROLE_SIDECAR)
		kinds |= BIT(instance);
	if (control->self.role == CONF_ROLE_EDGE)
		kinds |= BIT(route);
	return control->authority ? kinds | BIT(csr) : kinds;
}

void control_follow(struct control *control)
{
	uint32_t local_changed = 0;
	control_catch_up(control);
	uint32_t changed = control->registry_changed;
	control->registry_changed = 0;
	model_follow(control->local, control->local_store, &local_changed);
	if (changed & BIT(route))
		control_interest_appear(control);
	if ((changed & COMPILED_KINDS) || (local_changed & (BIT(interest) | BIT(secret))))
		control_compile_soon(control);
	if (local_changed & BIT(secret))
		control_register(control, control_now_s(), false);
	if (changed & BIT(purge))
		control_purge(control, false);
	control_tell_purged(control);
	control_tell_names(control);
	if (changed & identity_kinds(control)) {
		control->is_identity_due = true;
		start_due(control);
	}
}

// on_command brings what a command wrote to the workers before it is answered, which waits for the
// disk; but not when the last set is only just out.
static void on_command(void *user)
{
	struct control *control = user;
	control_follow(control);
	if (uv_hrtime() >= control->compile_after_ns)
		compile_due(control);
}

static void on_poll(uv_timer_t *timer)
{
	control_follow(timer->data);
}

static void on_second(uv_timer_t *timer)
{
	struct control *control = timer->data;
	uint64_t now_s = control_now_s();
	control_identity_run(control, now_s);
	control_register(control, now_s, false);
	control_interest_expire(control, now_s);
	if (now_s % 5 == 0 && certs_reload(control->certs))
		control_compile_soon(control);
	if (now_s % 60 == 0) {
		store_trim(control->local_store, 1000);
		if (control->authority)
			store_trim(control->registry_store, CONTROL_LOG_KEPT);
	}
}

// note_alive hears that the data plane ends: the others are told at once to send elsewhere.
static void note_alive(struct control *control, const struct event_alive *alive)
{
	if (!alive->is_leaving || control->is_leaving)
		return;
	log_info("the data plane ends; nothing new is sent here");
	control->is_leaving = true;
	control_register(control, control_now_s(), true);
}

static void on_event(void *user, uint32_t worker, enum event_type type, const void *payload)
{
	if (type == EVENT_ALIVE)
		note_alive(user, payload);
	control_interest_event(user, worker, type, payload);
}

static void on_attach(void *user, bool is_attached)
{
	struct control *control = user;
	if (!is_attached || control->is_ending)
		return;
	control->is_leaving = false;
	control->seen_s = control_now_s();
	control_register(control, control->seen_s, true);
	control_purge(control, true);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct control *control = signal->data;
	log_info("signal %d: ending; the data plane goes on", number);
	control->is_ending = true;
	admin_close(control->admin);
	attach_close(control->attach);
	uv_close((uv_handle_t *)&control->poll, NULL);
	uv_close((uv_handle_t *)&control->second, NULL);
	uv_close((uv_handle_t *)&control->due, NULL);
	for (unsigned i = 0; i < 2; i++)
		uv_close((uv_handle_t *)&control->signals[i], NULL);
}

// find_mesh_address tells where others reach us: the address that is advertised, the mesh
// listener's, or the first port's.
static void find_mesh_address(struct control *control)
{
	const struct conf *conf = &control->conf;
	for (uint32_t i = 0; i < conf->listen_count; i++) {
		const struct conf_listener *listener = &conf->listen[i];
		struct endpoint_addr at = {.addr = listener->address,
					   .port = (uint16_t)listener->port};
		if (listener->protocol != CONF_PROTOCOL_MESH)
			continue;
		if (!addr_is_zero(&conf->node.advertise))
			at.addr = conf->node.advertise;
		else if (addr_is_zero(&at.addr) && conf->dataplane.ports_count > 0)
			at.addr = conf->dataplane.ports[0].addresses.at[0].addr;
		if (!addr_is_zero(&at.addr))
			endpoint_addr_text(&at, control->mesh_address);
		return;
	}
}

// make_dirs makes a directory and those above it, mode 0700. False: errno tells.
static bool make_dirs(const char *path)
{
	char part[512];
	if (!row_copy_text(part, sizeof(part), path))
		return false;
	for (char *slash = strchr(part + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = 0;
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return false;
		*slash = '/';
	}
	return mkdir(part, 0700) == 0 || errno == EEXIST;
}

// make_all_dirs makes those that conf names. False: told.
static bool make_all_dirs(const struct conf *conf)
{
	char registry[512];
	row_copy_text(registry, sizeof(registry), conf->registry.path);
	char *slash = strrchr(registry, '/');
	if (slash)
		*slash = 0;
	const char *dirs[] = {conf->run_dir, conf->identity.state_dir, slash ? registry : "."};
	for (unsigned i = 0; i < 3; i++)
		if (!make_dirs(dirs[i])) {
			log_error("%s: %s", dirs[i], strerror(errno));
			return false;
		}
	return true;
}

// open_stores opens registry and state. False: told.
static bool open_stores(struct control *control)
{
	char error[STORE_ERROR_BYTES];
	char path[512];
	uint32_t base = 0;
	const char *dir = control->conf.identity.state_dir;
	// Rows of a lost state must not come back under numbers that mean something else now.
	if (getrandom(&base, sizeof(base), 0) != sizeof(base))
		base = (uint32_t)control->started_s;
	snprintf(path, sizeof(path), "%s/state.db", dir);
	struct store_options local = {
		.path = path, .is_local = true, .id_base = (base & 0x3fffffffu) | 0x10000u};
	struct store_options registry = {.path = control->conf.registry.path};
	control->local_store = store_open(&local, error);
	if (!control->local_store) {
		log_error("%s" LOCAL_CURE, error);
		return false;
	}
	switch (control->conf.registry.kind) {
	case CONF_STORE_SQLITE: control->registry_store = store_open(&registry, error);
	}
	if (!control->registry_store)
		log_error("%s" REGISTRY_CURE, error);
	return control->registry_store != NULL;
}

// open_parts makes what needs no loop. False: told.
static bool open_parts(struct control *control)
{
	char error[CERTS_ERROR_BYTES];
	const struct conf *conf = &control->conf;
	struct timespec now;
	uint32_t changed;
	clock_gettime(CLOCK_REALTIME, &now);
	control->registry = model_new();
	control->local = model_new();
	control->publish =
		publish_new((uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	if (!control->registry || !control->local || !control->publish || !open_stores(control))
		return false;
	if (model_follow(control->local, control->local_store, &changed) != STORE_OK) {
		log_error("%s/state.db: %s" LOCAL_CURE, conf->identity.state_dir,
			  store_error(control->local_store));
		return false;
	}
	if (model_follow(control->registry, control->registry_store, &changed) != STORE_OK) {
		log_error("%s: %s" REGISTRY_CURE, conf->registry.path,
			  store_error(control->registry_store));
		return false;
	}
	control->certs = certs_open(&control->conf, error);
	if (!control->certs) {
		log_error("%s", error);
		return false;
	}
	return control_identity_open(control);
}

// open_loop makes what lives in the loop. False: told.
static bool open_loop(struct control *control)
{
	struct attach_options options = {
		.loop = &control->loop,
		.run_dir = control->conf.run_dir,
		.down_bytes = (uint32_t)control->conf.channel.ring_bytes,
		.up_bytes = (uint32_t)control->conf.channel.events_bytes,
		.publish = control->publish,
		.events = {on_event, on_attach, control},
	};
	struct admin_options admin = {
		.loop = &control->loop,
		.run_dir = control->conf.run_dir,
		.self = control->self,
		.registry_store = control->registry_store,
		.registry = control->registry,
		.local = control->local,
		.authority = control->authority,
		.publish = control->publish,
		.failures = &control->failures,
		.follow = on_command,
		.user = control,
	};
	uv_timer_t *timers[] = {&control->poll, &control->second, &control->due};
	const int numbers[] = {SIGTERM, SIGINT};
	for (unsigned i = 0; i < 3; i++) {
		uv_timer_init(&control->loop, timers[i]);
		timers[i]->data = control;
	}
	for (unsigned i = 0; i < 2; i++) {
		uv_signal_init(&control->loop, &control->signals[i]);
		control->signals[i].data = control;
		uv_signal_start(&control->signals[i], on_signal, numbers[i]);
	}
	uv_timer_start(&control->poll, on_poll, 0, CONTROL_POLL_MS);
	uv_timer_start(&control->second, on_second, 0, 1000);
	control->attach = attach_new(&options);
	admin.attach = control->attach;
	control->admin = control->attach ? admin_new(&admin) : NULL;
	return control->admin != NULL;
}

struct control *control_start(const struct conf *conf)
{
	struct control *control = calloc(1, sizeof(*control));
	if (!control || uv_loop_init(&control->loop) != 0) {
		free(control);
		return NULL;
	}
	control->conf = *conf;
	control->locks[0] = control->locks[1] = -1;
	control->started_s = control_now_s();
	control->seen_s = control->started_s + 5; // a data plane that starts with us has that long
	control->self = (struct compile_self){
		.role = control->conf.node.role,
		.node = control->conf.node.id,
		.location = control->conf.node.location,
		.mesh = control->conf.node.mesh,
	};
	compile_slot_name(&control->self, "node", control->name);
	find_mesh_address(control);
	if (!make_all_dirs(conf) || !control_lock(control) || !open_parts(control) ||
	    !open_loop(control)) {
		control_end(control);
		return NULL;
	}
	compile_now(control);
	return control;
}

void control_run(struct control *control)
{
	log_info("millrace-control: node %s, %s of %s in mesh %s", control->self.node,
		 conf_role_name(control->self.role), control->self.location, control->self.mesh);
	uv_run(&control->loop, UV_RUN_DEFAULT);
}

void control_end(struct control *control)
{
	admin_free(control->admin);
	attach_free(control->attach);
	uv_loop_close(&control->loop);
	publish_free(control->publish);
	certs_close(control->certs);
	authority_close(control->authority);
	model_free(control->registry);
	model_free(control->local);
	store_close(control->registry_store);
	store_close(control->local_store);
	control_unlock(control);
	free(control);
}
