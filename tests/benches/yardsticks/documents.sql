-- The whole job for one hour in plain DuckDB: events counted once, usage, charges, every level,
-- one nested JSON document a customer, all into one file. Charges are whole nanocents (10^-9
-- cent), rounded half up; sums of them are exact. A resource keeps its GPU model for the hour.
-- The table source has the hour's events; the variables are timestamp, the hour's start, and
-- documents, the file to write.

-- What a sum of quantity x milliseconds is charged, at so many cents for `unit_hours`.
CREATE TEMP MACRO charge(usage_ms, cents, unit_hours) AS
    (usage_ms::HUGEINT * cents * 2_000_000_000 + unit_hours::HUGEINT * 3_600_000)
    // (unit_hours::HUGEINT * 7_200_000);

CREATE TEMP MACRO cents(nanocents) AS nanocents::DECIMAL(28, 0) * 0.000000001::DECIMAL(10, 9);

CREATE TEMP MACRO paas_price(cpu, memory, storage, gpu) AS {
    total: cents(cpu + memory + storage + gpu),
    cpu: cents(cpu),
    memory: cents(memory),
    storage: cents(storage),
    gpu: cents(gpu)
};

-- Grain: one GPU model; cents an hour.
CREATE TEMP TABLE gpu_rates AS
SELECT * FROM (VALUES ('l4', 80), ('h100', 274)) AS listed (gpu_model, gpu_cents);

-- Grain: one event.
CREATE TEMP TABLE events AS
SELECT DISTINCT ON (event_source, event_id) * FROM source;

COPY (
WITH
-- Grain: one resource.
usage AS (
    SELECT
        customer_id,
        team_id,
        project_id,
        resource_type,
        resource_id,
        gpu_model,
        arg_max(team_name, end_ms) AS team_name,
        arg_max(project_name, end_ms) AS project_name,
        coalesce(arg_max(resource_name, end_ms), resource_id) AS resource_name,
        max(end_ms) AS last_ms,
        sum(cpu_millicores * (end_ms - start_ms)) AS cpu_ms,
        sum(memory_mib * (end_ms - start_ms)) AS memory_ms,
        sum(storage_mib * (end_ms - start_ms)) AS storage_ms,
        sum(gpu_milli * (end_ms - start_ms)) AS gpu_ms
    FROM events
    WHERE event_type = 'metering.resource.v1'
    GROUP BY customer_id, team_id, project_id, resource_type, resource_id, gpu_model
),

-- Grain: one resource.
charges AS (
    SELECT
        usage.*,
        charge(cpu_ms, 1200, 1000 * 720) AS cpu,
        charge(memory_ms, 600, 1024 * 720) AS memory,
        charge(storage_ms, 15, 1024 * 720) AS storage,
        CASE WHEN gpu_ms = 0 THEN 0 ELSE charge(gpu_ms, gpu_cents, 1000) END AS gpu
    FROM usage
    LEFT JOIN gpu_rates USING (gpu_model)
),

-- Grain: one resource type of a project.
types AS (
    SELECT
        customer_id,
        team_id,
        project_id,
        arg_max(team_name, last_ms) AS team_name,
        arg_max(project_name, last_ms) AS project_name,
        max(last_ms) AS last_ms,
        sum(cpu) AS cpu,
        sum(memory) AS memory,
        sum(storage) AS storage,
        sum(gpu) AS gpu,
        {
            resourceType: resource_type,
            price: paas_price(sum(cpu), sum(memory), sum(storage), sum(gpu)),
            resources: list(
                {id: resource_id, name: resource_name, price: paas_price(cpu, memory, storage, gpu)}
                ORDER BY resource_id
            )
        } AS entry
    FROM charges
    GROUP BY customer_id, team_id, project_id, resource_type
),

-- Grain: one project.
projects AS (
    SELECT
        customer_id,
        team_id,
        arg_max(team_name, last_ms) AS team_name,
        max(last_ms) AS last_ms,
        sum(cpu) AS cpu,
        sum(memory) AS memory,
        sum(storage) AS storage,
        sum(gpu) AS gpu,
        {
            id: project_id,
            name: coalesce(arg_max(project_name, last_ms), project_id),
            price: paas_price(sum(cpu), sum(memory), sum(storage), sum(gpu)),
            resourceTypes: list(entry ORDER BY entry.resourceType)
        } AS entry
    FROM types
    GROUP BY customer_id, team_id, project_id
),

-- Grain: one team.
teams AS (
    SELECT
        customer_id,
        sum(cpu) AS cpu,
        sum(memory) AS memory,
        sum(storage) AS storage,
        sum(gpu) AS gpu,
        {
            id: team_id,
            name: coalesce(arg_max(team_name, last_ms), team_id),
            price: paas_price(sum(cpu), sum(memory), sum(storage), sum(gpu)),
            projects: list(entry ORDER BY entry.id)
        } AS entry
    FROM projects
    GROUP BY customer_id, team_id
),

-- Grain: one customer with resources.
paas AS (
    SELECT
        customer_id,
        {
            price: paas_price(sum(cpu), sum(memory), sum(storage), sum(gpu)),
            teams: list(entry ORDER BY entry.id)
        } AS entry
    FROM teams
    GROUP BY customer_id
),

-- Grain: one BYOC cluster.
clusters AS (
    SELECT
        customer_id,
        charge(sum(vcpu_millicores * (end_ms - start_ms)), 1000, 1000 * 720) AS vcpu,
        charge(sum(memory_mib * (end_ms - start_ms)), 100, 1024 * 720) AS memory,
        charge(sum(gpu_memory_mib * (end_ms - start_ms)), 200, 1024 * 720) AS gpu_memory,
        charge(sum(cluster_count * (end_ms - start_ms)), 7300, 720) AS cluster
    FROM events
    WHERE event_type = 'metering.cluster.v1'
    GROUP BY customer_id, resource_id
),

-- Grain: one customer with clusters.
byoc AS (
    SELECT
        customer_id,
        {
            total: cents(sum(vcpu + memory + gpu_memory + cluster)),
            vcpu: cents(sum(vcpu)),
            memory: cents(sum(memory)),
            gpuMemory: cents(sum(gpu_memory)),
            cluster: cents(sum(cluster))
        } AS price
    FROM clusters
    GROUP BY customer_id
)

-- Grain: one customer.
SELECT
    customer_id AS "customerId",
    {
        data: {
            timestamp: getvariable('timestamp')::BIGINT,
            paasUsage: coalesce(paas.entry, {price: paas_price(0, 0, 0, 0), teams: []}),
            byocUsage: {
                price: coalesce(
                    byoc.price,
                    {
                        total: cents(0),
                        vcpu: cents(0),
                        memory: cents(0),
                        gpuMemory: cents(0),
                        cluster: cents(0)
                    }
                )
            }
        }
    } AS document
FROM paas
FULL JOIN byoc USING (customer_id)
ORDER BY customer_id
) TO (getvariable('documents')) (FORMAT json);
