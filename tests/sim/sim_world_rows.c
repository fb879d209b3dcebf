// SPDX-License-Identifier: Apache-2.0
// What the controls of a simulated mesh say; see sim_world_rows.h.
#include "sim_world_rows.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

enum { SERVICE_ID = 7, LOCATION_ID = 5, ENDPOINT_ID = 31 };

static void add_identity(struct sim_world *world, enum sim_node_name n, const char *usual)
{
	const struct sim_world_plan *plan = &world->plan;
	const char *name = plan->identities[n] ? plan->identities[n] : usual;
	bool is_other = n == SIM_GATEWAY && plan->has_other_ca;
	struct sim_pki pki = is_other ? world->other_pki : world->pki;
	char san[300];
	if (n == SIM_GATEWAY && plan->identity_wall_s)
		pki.wall_s = plan->identity_wall_s;
	snprintf(san, sizeof(san), "URI:%s", name);
	struct sim_credentials credentials = sim_pki_issue(&pki, san);
	struct record_identity record = {.id = 1,
					 .chain_bytes = (uint32_t)strlen(credentials.chain_pem),
					 .key_bytes = (uint32_t)strlen(credentials.key_pem)};
	snprintf(record.name, sizeof(record.name), "%s", usual);
	if (plan->identities[n])
		snprintf(record.name, sizeof(record.name), "%s", name);
	sim_control_row(&world->nodes[n].control,
			&(struct sim_row_parts){RECORD_IDENTITY,
						&record,
						sizeof(record),
						{credentials.chain_pem, credentials.key_pem}});
	sim_credentials_free(&credentials);
}

static void add_trust(struct sim_world *world, enum sim_node_name n)
{
	struct record_trust record = {
		.epoch = 1, .bundle_bytes = (uint32_t)strlen(world->pki.ca_pem), .mesh = SIM_MESH};
	sim_control_row(&world->nodes[n].control,
			&(struct sim_row_parts){
				RECORD_TRUST, &record, sizeof(record), {world->pki.ca_pem, NULL}});
}

static void add_service(struct sim_world *world, enum sim_node_name n)
{
	struct record_service service = {.id = SERVICE_ID, .name = "shop"};
	SIM_ROW(&world->nodes[n].control, RECORD_SERVICE, service);
}

static void add_route(struct sim_world *world, enum sim_node_name n)
{
	bool is_on_demand = n == SIM_EDGE && world->plan.is_route_on_demand;
	if (!world->plan.has_no_route)
		sim_control_route(&world->nodes[n].control, SIM_HOST, SERVICE_ID, is_on_demand);
}

static void add_endpoint(struct sim_world *world, enum sim_node_name n,
			 struct record_endpoint endpoint, const char *v4, const char *v6)
{
	endpoint.id = ENDPOINT_ID;
	endpoint.is_healthy = 1;
	endpoint.weight = 1;
	CHECK(endpoint_addr_parse(world->plan.is_v6 ? v6 : v4, &endpoint.to) == 0);
	SIM_ROW(&world->nodes[n].control, RECORD_ENDPOINT, endpoint);
}

static void add_certificate(struct sim_world *world)
{
	struct sim_control *control = &world->nodes[SIM_EDGE].control;
	struct sim_credentials public = sim_pki_issue(&world->pki, "DNS:" SIM_HOST);
	struct record_cert cert = {.id = 3,
				   .is_default = 1,
				   .chain_bytes = (uint32_t)strlen(public.chain_pem),
				   .key_bytes = (uint32_t)strlen(public.key_pem)};
	struct record_ticket_key ticket = {.id = 1, .name = {1}, .aes_key = {2}, .mac_key = {3}};
	sim_control_row(control, &(struct sim_row_parts){RECORD_CERT,
							 &cert,
							 sizeof(cert),
							 {public.chain_pem, public.key_pem}});
	SIM_ROW(control, RECORD_TICKET_KEY, ticket);
	sim_credentials_free(&public);
}

static void add_workload(struct sim_world *world, enum sim_node_name n)
{
	struct record_endpoint workload = {.service_id = SERVICE_ID,
					   .hop = RECORD_HOP_WORKLOAD,
					   .protocol = RECORD_PROTOCOL_HTTP1};
	add_endpoint(world, n, workload, "10.0.0.2:80", "[fd00::2]:80");
}

// add_gateway makes the gateway's location the way to the service.
static void add_gateway(struct sim_world *world)
{
	struct sim_control *control = &world->nodes[SIM_EDGE].control;
	struct record_location location = {.id = LOCATION_ID, .cost_us = 20000, .name = "fra"};
	struct record_presence presence = {.service_id = SERVICE_ID,
					   .location_id = LOCATION_ID,
					   .healthy_count = 1,
					   .total_count = 1};
	struct record_endpoint gateway = {.location_id = LOCATION_ID,
					  .hop = RECORD_HOP_GATEWAY,
					  .peer = "spiffe://" SIM_MESH "/gateway/fra/"};
	SIM_ROW(control, RECORD_LOCATION, location);
	SIM_ROW(control, RECORD_PRESENCE, presence);
	add_endpoint(world, SIM_EDGE, gateway, "10.1.0.2:8443", "[fd01::2]:8443");
}

static void fill_edge(struct sim_world *world)
{
	add_identity(world, SIM_EDGE, "spiffe://" SIM_MESH "/edge/par/edge-1");
	add_certificate(world);
	if (world->plan.is_edge_alone)
		add_workload(world, SIM_EDGE);
	else
		add_gateway(world);
}

static void fill_gateway(struct sim_world *world)
{
	struct record_endpoint sidecar = {.service_id = SERVICE_ID,
					  .hop = RECORD_HOP_SIDECAR,
					  .peer = "spiffe://" SIM_MESH "/svc/shop"};
	add_identity(world, SIM_GATEWAY, "spiffe://" SIM_MESH "/gateway/fra/gateway-1");
	add_endpoint(world, SIM_GATEWAY, sidecar, "10.2.0.2:8443", "[fd02::2]:8443");
}

static void fill_sidecar(struct sim_world *world)
{
	add_identity(world, SIM_SIDECAR, "spiffe://" SIM_MESH "/svc/shop");
	if (!world->plan.has_no_endpoint)
		add_workload(world, SIM_SIDECAR);
}

void sim_world_fill_controls(struct sim_world *world)
{
	for (unsigned n = 0; n < SIM_NODE_COUNT; n++) {
		add_trust(world, n);
		add_service(world, n);
		add_route(world, n);
	}
	fill_edge(world);
	fill_gateway(world);
	fill_sidecar(world);
}
