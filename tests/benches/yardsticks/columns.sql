-- The types of an event's fields, for read_json.
SET VARIABLE columns = {
    specversion: 'VARCHAR',
    type: 'VARCHAR',
    source: 'VARCHAR',
    id: 'VARCHAR',
    time: 'TIMESTAMP',
    data: 'STRUCT(
        customerId VARCHAR,
        teamId VARCHAR,
        teamName VARCHAR,
        projectId VARCHAR,
        projectName VARCHAR,
        resourceType VARCHAR,
        resourceId VARCHAR,
        resourceName VARCHAR,
        clusterId VARCHAR,
        clusterName VARCHAR,
        region VARCHAR,
        cpuMillicores BIGINT,
        vcpuMillicores BIGINT,
        memoryMiB BIGINT,
        storageMiB BIGINT,
        gpuMilli BIGINT,
        gpuModel VARCHAR,
        gpuMemoryMiB BIGINT,
        clusterCount BIGINT,
        "start" TIMESTAMP,
        "end" TIMESTAMP
    )'
};
