// Made from docs/openapi.json by `make openapi`; changes by hand are lost.

export interface paths {
    "/api/containers": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List leases, or page through their history
         * @description Without `state` those that have not ended, oldest first. With `state=ended` or `state=all` the history, newest first, page by page; only it takes `limit` and `cursor`. A page may hold fewer than `limit`, even none, while there is a cursor.
         */
        get: operations["listContainers"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/containers/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Look at a lease
         * @description With its receipt once it has ended, for as long as it is kept.
         */
        get: operations["getContainer"];
        put?: never;
        post?: never;
        /**
         * End a lease
         * @description It is accepted in every state. A lease that has ended stays to be looked at, with its receipt.
         */
        delete: operations["deleteContainer"];
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/containers/{id}/exec": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Run a command in a lease's container
         * @description Answers 200 whatever the exit code. When its time is over the command is killed with all its children.
         */
        post: operations["execInContainer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/containers/{id}/logs": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read a part of a lease's log
         * @description Give either `cursor`, which says where to go on, or `tail` and `since`. Also after the lease's end, for as long as it is kept.
         */
        get: operations["getLog"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/containers/{id}/renew": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Prolong a lease
         * @description Its end becomes the asked time from now, at most `maximumExpiryTime`, and never sooner than it was.
         */
        post: operations["renewContainer"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/containers/{id}/stats": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * See what a lease uses
         * @description It takes the half second over which the CPU is measured, and up to two seconds where there are many files to count for the disk.
         */
        get: operations["getStats"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/images": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * See what may be leased
         * @description With the limits, the sizes and the operator's bounds of a duration.
         */
        get: operations["listImages"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/openapi.json": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * Read this description
         * @description It changes only with a new version of the server.
         */
        get: operations["getDescription"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/provision": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        /**
         * Lease a container
         * @description Answers once the container runs. With an `Idempotency-Key` it is carried out once in 24 hours, however often it is sent.
         */
        post: operations["provision"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/healthz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * See whether the process answers
         * @description It asks no other part.
         */
        get: operations["getHealth"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/readyz": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * See whether leases can be made now
         * @description Asks the table and the engine.
         */
        get: operations["getReadiness"];
        put?: never;
        post?: never;
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
}
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description A lease. `env`, `command` and the URL of notifications are not part of it: they may hold
         *     secrets. A password is in the URL of a port, and only in what is answered to the owner.
         */
        Container: {
            /**
             * Format: int32
             * @description How often somebody has set out to end it.
             */
            attempts: number;
            /**
             * Format: int32
             * @description Thousandths of a CPU.
             */
            cpuMilli: number;
            createdAt: components["schemas"]["Time"];
            /**
             * Format: int32
             * @description Mebibytes of the host's disk; none where no limit was set.
             */
            diskMB: number | null;
            egress: components["schemas"]["Egress"];
            expiryTime: components["schemas"]["Time"];
            id: components["schemas"]["LeaseId"];
            /** @description The image that runs; before it does, none. */
            image: string | null;
            imageType: components["schemas"]["ImageType"];
            labels: {
                [key: string]: string;
            };
            /** @description The time that no renewal can pass. */
            maximumExpiryTime: components["schemas"]["Time"];
            /**
             * Format: int32
             * @description Mebibytes.
             */
            memoryMB: number;
            name: string | null;
            ports: components["schemas"]["ContainerPort"][];
            reason: components["schemas"]["Reason"] | null;
            receipt: components["schemas"]["Receipt"] | null;
            standIn: boolean;
            startedAt: components["schemas"]["Time"] | null;
            state: components["schemas"]["State"];
        };
        /** @description A port of a container and where it can be reached. */
        ContainerPort: components["schemas"]["Port"] & {
            host: string;
            /** Format: int32 */
            hostPort: number;
            url: string | null;
        };
        /**
         * @description Leases of an owner: those that have not ended, oldest first, or a page of the history,
         *     newest first.
         */
        Containers: {
            containers: components["schemas"]["Container"][];
            cursor: components["schemas"]["HistoryCursor"] | null;
        };
        Cpu: {
            /** Format: int32 */
            limitMilli: number;
            /** Format: int64 */
            measuredMilliseconds: number;
            /**
             * Format: double
             * @description Of one CPU, over the last `measuredMilliseconds`.
             */
            percent: number;
            /**
             * Format: double
             * @description Of what the lease may use.
             */
            percentOfLimit: number;
            /**
             * Format: int64
             * @description Since the container's start.
             */
            usedNanoseconds: number;
        };
        /** @description The answer to a delete. */
        Deleted: {
            state: components["schemas"]["State"];
            /** @description Whether the end was accepted, which it is in every state. */
            success: boolean;
        };
        /**
         * @description How far a notification has come.
         * @enum {string}
         */
        DeliveryState: "pending" | "delivered" | "failed" | "dropped";
        /** @description What it has written and its volumes hold, together. */
        Disk: {
            /**
             * Format: int64
             * @description None where no limit was set.
             */
            limitBytes: number | null;
            /**
             * Format: int64
             * @description None where the engine could not say it in time.
             */
            usedBytes: number | null;
        };
        /**
         * @description Where its programs may open connections to: `open`, to everywhere; `none`, to nothing; or a list of the operator's, by its name.
         * @example open
         */
        Egress: string;
        /**
         * @description What is told.
         * @enum {string}
         */
        Event: "lease.expiring" | "lease.ended";
        Exec: {
            /** @description The program, which is not empty, and its arguments: at most 8192 bytes of UTF-8 together. */
            command: string[];
            /** @description What it reads: at most 32768 bytes of UTF-8. */
            stdin?: string | null;
            /**
             * @description After so long it is killed.
             * @default 10
             */
            timeoutSeconds?: number | null;
        };
        /** @description The answer to a command. */
        Executed: {
            /**
             * Format: int64
             * @description None where it was killed.
             */
            exitCode: number | null;
            stderr: string;
            stdout: string;
            /** @description Whether it, or what it has started, could not be killed; none where that is not known. */
            stillRunning: boolean | null;
            /** @description Whether it was killed, since its time was over. */
            timedOut: boolean;
            truncated: components["schemas"]["Truncated"];
        };
        /** @description What is wrong with one field, as a sentence for the caller. */
        FieldFault: {
            detail: string;
            /** @description The field of the body, or the parameter of the query. */
            field: string;
        };
        /** @description What a renewal has given. */
        Granted: {
            /**
             * Format: int64
             * @description By how many whole seconds that end is later than it was.
             */
            addedSeconds: number;
            /** @description Whether more was asked for than `maximumExpiryTime` allows. */
            capped: boolean;
            /**
             * Format: int64
             * @description Whole seconds from the renewal to the lease's end.
             */
            durationSeconds: number;
        };
        /** @description The process answers. */
        Health: {
            status: string;
        };
        /**
         * @description Where a page of the history ended: at this lease.
         * @example 0193b6e08d5c7cc39b1e3f6f3d2a4b5c
         */
        HistoryCursor: string;
        /**
         * @description The name of an image in the catalogue, such as `redis`.
         * @example redis
         */
        ImageType: string;
        /** @description One kind of container. */
        ImageView: {
            command: string[] | null;
            cpuMilli: components["schemas"]["Range"];
            description: string;
            diskMB: components["schemas"]["Range"];
            /**
             * @description Where its containers may be asked to open connections to; the first is for those that ask
             *     for nothing.
             */
            egress: components["schemas"]["Egress"][];
            image: string;
            imageType: components["schemas"]["ImageType"];
            memoryMB: components["schemas"]["Range"];
            ports: components["schemas"]["Port"][];
            presets: components["schemas"]["Preset"][];
        };
        /** @description The catalogue. */
        Images: {
            durationMinutes: components["schemas"]["Minutes"];
            images: components["schemas"]["ImageView"][];
        };
        /**
         * Format: uuid
         * @description A lease's id: a UUID of version 7 in its canonical lower-case form, so that ids sort by
         *     the time of their making.
         * @example 0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c
         */
        LeaseId: string;
        /** @description One line of a container's log. */
        LogEntry: {
            /**
             * @description Where to go on after this line.
             * @example 1795512600123456789.0_0
             */
            cursor: string;
            /** @description What the line says of its level, or the line that it belongs to; else info. */
            level: components["schemas"]["LogLevel"];
            /**
             * @description The line without its end, or its last state where it was drawn over; bytes that are not
             *     UTF-8 are replaced.
             */
            message: string;
            /** @description Whether it holds U+FFFD, which stands for bytes that are no UTF-8. */
            replaced?: boolean;
            stream: components["schemas"]["LogStream"];
            /**
             * Format: date-time
             * @description When the engine received it: RFC 3339 in UTC with nine decimals.
             */
            timestamp: string;
            /** @description Whether the line was longer than is kept, or than can be sent. */
            truncated?: boolean;
        };
        /**
         * @description How much a line matters.
         * @enum {string}
         */
        LogLevel: "trace" | "debug" | "info" | "warn" | "error";
        /** @description Lines of a log, as its viewers have them. */
        LogPage: {
            /**
             * @description Where to go on, whatever was left out.
             * @example 1795512600123456789.0_0
             */
            cursor: string;
            entries: components["schemas"]["LogEntry"][];
            /** @description Whether lines before or among these may be missing. */
            gap: boolean;
            /** @description Whether there is more after the cursor already. */
            more: boolean;
            state: components["schemas"]["State"];
        };
        /**
         * @description Where a line was written to.
         * @enum {string}
         */
        LogStream: "stdout" | "stderr";
        Memory: {
            /** Format: int64 */
            limitBytes: number;
            /** Format: int64 */
            usedBytes: number;
        };
        /** @description How long a lease may be. */
        Minutes: {
            /** Format: int64 */
            default: number;
            /** Format: int64 */
            maximum: number;
            /** Format: int64 */
            minimum: number;
        };
        /** @description Since the container's start. */
        Network: {
            /** Format: int64 */
            receivedBytes: number;
            /** Format: int64 */
            sentBytes: number;
        };
        /** @description What an owner is told of a lease, and how far that has come. */
        NotificationView: {
            /** Format: int32 */
            attempts: number;
            event: components["schemas"]["Event"];
            /** @description What the receiver knows it by. */
            id: string;
            /** @description Why the last attempt has failed. */
            lastError: string | null;
            /**
             * Format: int32
             * @description What the receiver has answered last, if it has.
             */
            lastStatus: number | null;
            nextAttemptAt: components["schemas"]["Time"] | null;
            state: components["schemas"]["DeliveryState"];
        };
        /** @description A lease by itself, with what its owner was told of it. */
        One: components["schemas"]["Container"] & {
            notifications: components["schemas"]["NotificationView"][];
        };
        /** @description The state of one part that leases need. */
        PartState: {
            /** @description What stands in the way, in words of ours. */
            detail?: string;
            state: components["schemas"]["Usable"];
        };
        /** @description A port of a container. */
        Port: {
            /** Format: int32 */
            containerPort: number;
            /** @description `tcp` or `udp`. */
            protocol: string;
            /** @description The scheme of a URL at which it can be reached, where one makes sense. */
            scheme: string | null;
        };
        /** @description A port of the container, by its number or with the scheme of a URL. */
        PortAsked: number | {
            containerPort: number;
            /** @description That of the URL at which the port is shown. */
            scheme?: string | null;
        };
        /** @description A size with a name. */
        Preset: {
            /**
             * Format: int32
             * @description Thousandths of a CPU.
             */
            cpuMilli: number;
            /**
             * Format: int32
             * @description Mebibytes.
             */
            memoryMB: number;
            name: string;
        };
        /** @description What went wrong, as RFC 9457 has it. */
        Problem: {
            /** @description A sentence that says what to do. */
            detail: string;
            /** @description What is wrong with which field: the first of it. */
            errors?: components["schemas"]["FieldFault"][];
            /** @description The soonest end after which there is room as things stand. */
            freesUpAt?: components["schemas"]["Time"] | null;
            /** @description Of what there is no more. */
            full?: components["schemas"]["Resource"][];
            /** @description The name under which the request is in the server's log. */
            requestId: string;
            status: number;
            title: string;
            type: components["schemas"]["ProblemType"];
        };
        /**
         * @description docs/problems.md has each.
         * @enum {string}
         */
        ProblemType: "urn:containerlease:problem:invalid-body" | "urn:containerlease:problem:invalid-request" | "urn:containerlease:problem:invalid-lease-id" | "urn:containerlease:problem:invalid-idempotency-key" | "urn:containerlease:problem:invalid-query" | "urn:containerlease:problem:invalid-cursor" | "urn:containerlease:problem:invalid-log-view" | "urn:containerlease:problem:sign-in-needed" | "urn:containerlease:problem:foreign-origin" | "urn:containerlease:problem:unknown-caller" | "urn:containerlease:problem:lease-not-found" | "urn:containerlease:problem:route-not-found" | "urn:containerlease:problem:method-not-allowed" | "urn:containerlease:problem:too-slow" | "urn:containerlease:problem:lease-over" | "urn:containerlease:problem:lease-not-running" | "urn:containerlease:problem:lease-contended" | "urn:containerlease:problem:idempotency-conflict" | "urn:containerlease:problem:container-paused" | "urn:containerlease:problem:body-too-large" | "urn:containerlease:problem:target-too-long" | "urn:containerlease:problem:cannot-run" | "urn:containerlease:problem:egress-stays-open" | "urn:containerlease:problem:websocket-expected" | "urn:containerlease:problem:quota-reached" | "urn:containerlease:problem:internal" | "urn:containerlease:problem:engine-unavailable" | "urn:containerlease:problem:store-unavailable" | "urn:containerlease:problem:host-full" | "urn:containerlease:problem:too-many-logs" | "urn:containerlease:problem:image-missing" | "urn:containerlease:problem:runtime-missing" | "urn:containerlease:problem:storage-full";
        /** @description Processes and threads. */
        Processes: {
            /** Format: int64 */
            count: number;
            /** Format: int64 */
            limit: number | null;
        };
        Provision: {
            /** @description The program, which is not empty, and its arguments: at most 8192 bytes of UTF-8 together. */
            command?: string[] | null;
            /** @description Thousandths of a CPU. An image type may have a lower maximum, which GET /api/images tells. */
            cpuMilli?: number | null;
            /** @description Mebibytes of the host's disk, for what the container writes and its volumes together. A lease that uses more is evicted, where the engine does not refuse to write more. An image type may have a lower maximum, which GET /api/images tells. */
            diskMB?: number | null;
            /** @description For how many minutes; this or durationSeconds, exactly one of them. The operator may have set another maximum, which GET /api/images tells. */
            durationMinutes?: number | null;
            /** @description For how many seconds, in place of durationMinutes. */
            durationSeconds?: number | null;
            /** @description Where the container's programs may open connections to: `open`, to everywhere; `none`, to nothing, while its published ports are reached all the same; or a list of the operator's, by its name. GET /api/images tells which there are for an image type; its first is for a lease that asks for none. All but `open` takes a firewall on the Docker host. */
            egress?: string | null;
            /** @description Variables, laid over the image type's own: at most 16384 bytes of UTF-8 together. They are in no answer. */
            env?: {
                [key: string]: string;
            } | null;
            /**
             * @description What to lease; GET /api/images has them all.
             * @enum {string}
             */
            imageType: "ubuntu" | "alpine" | "redis" | "nginx" | "python" | "postgres";
            /** @description Notes of yours on the lease; the container knows nothing of them. */
            labels?: {
                [key: string]: string;
            } | null;
            /** @description Mebibytes. An image type may have a lower maximum, which GET /api/images tells. */
            memoryMB?: number | null;
            /** @description What you call it: letters and digits of any script, spaces, dots, underscores and hyphens, without a space at either end. */
            name?: string | null;
            /** @description What is told is signed with it: whsec_ and the base64 of 24 to 64 bytes. Without it one is made, which the answer has. Only with a notifyUrl. */
            notifySecret?: string | null;
            /**
             * Format: uri
             * @description Where you are told of the lease's end: a URL of the public internet without a user name and a fragment. No answer has it.
             */
            notifyUrl?: string | null;
            /** @description Whether redis or postgres has a password of its own, which is in the URL of its port. Without it true where that can be: not with a command of your own for redis, nor with a password in env. */
            password?: boolean | null;
            /** @description Ports to publish beside the image type's own, each once. */
            ports?: components["schemas"]["PortAsked"][] | null;
            /** @description A size, the image type's own. cpuMilli and memoryMB win over it. */
            preset?: ("small" | "medium" | "large") | null;
            /** @description So many seconds before the end you are told of that, too. Less than the lease lasts, and only with a notifyUrl. */
            warnSeconds?: number | null;
        };
        /** @description A lease that was provisioned. It is the one answer that has the secret. */
        Provisioned: components["schemas"]["Container"] & {
            notifySecret?: components["schemas"]["Secret"] | null;
        };
        /** @description What is given when nothing is asked for, and the most that may be asked for. */
        Range: {
            /** Format: int32 */
            default: number;
            /** Format: int32 */
            maximum: number;
        };
        /** @description Whether leases can be made now, and what stands in the way. */
        Readiness: {
            engine: components["schemas"]["PartState"];
            status: components["schemas"]["Ready"];
            table: components["schemas"]["PartState"];
            /** @description What keeps not every lease from being made, and ought to be put right. */
            warnings: components["schemas"]["Warning"][];
        };
        /**
         * @description Whether leases can be made now.
         * @enum {string}
         */
        Ready: "ready" | "unready";
        /**
         * @description Why a lease ends.
         * @enum {string}
         */
        Reason: "expired" | "deleted" | "completed" | "failed" | "lost" | "evicted";
        /** @description Why a lease ended, and how. */
        Receipt: {
            /** Format: int32 */
            attempts: number;
            /**
             * @description More on why it failed or was evicted, as `out of memory, limit 64 MB`; there where more is
             *     known.
             */
            detail?: string | null;
            /** Format: int64 */
            exitCode: number | null;
            /** @description The end of its log, where its program ended by itself. */
            lastLines?: string[];
            /**
             * Format: int64
             * @description Milliseconds from `expiresAt` to `removedAt`; only where the lease expired, and where it
             *     is known when the container was gone.
             */
            overshootMs: number | null;
            reason: components["schemas"]["Reason"];
            /** @description When the container was seen to be gone. */
            removedAt: components["schemas"]["Time"];
            requestedAt: components["schemas"]["Time"];
            stoppedAt: components["schemas"]["Time"] | null;
        };
        Renew: {
            /** @description For how many minutes; this or durationSeconds, exactly one of them. The operator may have set another maximum, which GET /api/images tells. */
            durationMinutes?: number | null;
            /** @description For how many seconds, in place of durationMinutes. */
            durationSeconds?: number | null;
        };
        /** @description A lease that was renewed. */
        Renewed: components["schemas"]["Container"] & {
            granted: components["schemas"]["Granted"];
        };
        /**
         * @description Something of which there is only so much.
         * @enum {string}
         */
        Resource: "leases" | "cpuMilli" | "memoryMB" | "diskMB";
        /** @description What notifications are signed with. Its text is `whsec_` and base64. */
        Secret: string;
        /**
         * @description A state without its fields, as the table and the API name it.
         * @enum {string}
         */
        State: "provisioning" | "running" | "ending" | "quarantined" | "ended";
        /** @description What a container uses: numbers with their units in their names. */
        Stats: {
            cpu: components["schemas"]["Cpu"];
            disk: components["schemas"]["Disk"];
            memory: components["schemas"]["Memory"];
            network: components["schemas"]["Network"];
            processes: components["schemas"]["Processes"];
            readAt: components["schemas"]["Time"];
        };
        /**
         * Format: date-time
         * @description A point in time in UTC, as milliseconds since 1970-01-01T00:00:00Z.
         *
         *     It is written as RFC 3339 with exactly three decimals (`2026-11-24T09:30:00.000Z`), so
         *     that its text sorts as the time does.
         * @example 2026-11-24T09:30:00.000Z
         */
        Time: string;
        Timed: {
            serverTime: components["schemas"]["Time"];
        };
        /** @description Of which stream there was more than is in the answer. */
        Truncated: {
            stderr: boolean;
            stdout: boolean;
        };
        /**
         * @description Whether a part can be used.
         * @enum {string}
         */
        Usable: "ok" | "error";
        /** @description What ought to be put right. */
        Warning: {
            /** @description What puts it right, run on the engine's machine from this project's folder. */
            command: string;
            detail: string;
            kind: components["schemas"]["WarningKind"];
        };
        /**
         * @description Which warning it is, for programs.
         * @enum {string}
         */
        WarningKind: "firewall-missing" | "runtime-missing";
    };
    responses: {
        /** @description - `sign-in-needed`: It is not known who calls, or the token or session is not known. */
        Problem401: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /**
         * @description - `foreign-origin`: The request names another host, or comes from another site's page.
         *     - `unknown-caller`: An authorizer is there, and does not say who calls.
         */
        Problem403: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
        /** @description - `internal`: A fault of ours; the log knows more under the request id. */
        Problem500: {
            headers: {
                "X-Request-Id": components["headers"]["X-Request-Id"];
                [name: string]: unknown;
            };
            content: {
                "application/problem+json": components["schemas"]["Problem"];
            };
        };
    };
    parameters: never;
    requestBodies: never;
    headers: {
        /** @description After so many seconds it is worth trying again. */
        "Retry-After": number;
        /** @description The name under which the request is in the server's log. */
        "X-Request-Id": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listContainers: {
        parameters: {
            query?: {
                /** @description Only leases in this state. `active` are all but the ended. */
                state?: "active" | "all" | "provisioning" | "running" | "ending" | "quarantined" | "ended";
                /** @description Only leases of this image type. */
                imageType?: "ubuntu" | "alpine" | "redis" | "nginx" | "python" | "postgres";
                /** @description Only leases with this label, `KEY` or `KEY:VALUE`; more than one for more than one. */
                label?: string[];
                /** @description How many leases a page of the history holds at most; 50 where it is left out. It and `cursor` are for the history alone. */
                limit?: number;
                /** @description The `cursor` of the page before. */
                cursor?: string;
            };
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Leases. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "containers": [
                     *         {
                     *           "attempts": 0,
                     *           "cpuMilli": 500,
                     *           "createdAt": "2026-11-24T09:30:00.000Z",
                     *           "diskMB": 4096,
                     *           "egress": "open",
                     *           "expiryTime": "2026-11-24T10:00:00.000Z",
                     *           "id": "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c",
                     *           "image": "redis:7-bookworm",
                     *           "imageType": "redis",
                     *           "labels": {
                     *             "team": "search"
                     *           },
                     *           "maximumExpiryTime": "2026-11-25T09:30:00.000Z",
                     *           "memoryMB": 256,
                     *           "name": "session cache",
                     *           "ports": [
                     *             {
                     *               "containerPort": 6379,
                     *               "host": "127.0.0.1",
                     *               "hostPort": 49153,
                     *               "protocol": "tcp",
                     *               "scheme": "redis",
                     *               "url": "redis://127.0.0.1:49153"
                     *             }
                     *           ],
                     *           "reason": null,
                     *           "receipt": null,
                     *           "standIn": false,
                     *           "startedAt": "2026-11-24T09:30:01.000Z",
                     *           "state": "running"
                     *         }
                     *       ],
                     *       "cursor": null,
                     *       "serverTime": "2026-11-24T09:31:00.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Containers"] & components["schemas"]["Timed"];
                };
            };
            /** @description - `invalid-query`: Parameters of the query are wrong; `errors` names each with a sentence. */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            /** @description - `store-unavailable`: The table cannot be used. */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getContainer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The lease's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The lease. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": 1,
                     *       "cpuMilli": 500,
                     *       "createdAt": "2026-11-24T09:30:00.000Z",
                     *       "diskMB": 4096,
                     *       "egress": "open",
                     *       "expiryTime": "2026-11-24T10:00:00.000Z",
                     *       "id": "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c",
                     *       "image": "redis:7-bookworm",
                     *       "imageType": "redis",
                     *       "labels": {
                     *         "team": "search"
                     *       },
                     *       "maximumExpiryTime": "2026-11-25T09:30:00.000Z",
                     *       "memoryMB": 256,
                     *       "name": "session cache",
                     *       "notifications": [
                     *         {
                     *           "attempts": 1,
                     *           "event": "lease.ended",
                     *           "id": "msg_0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c_ended",
                     *           "lastError": null,
                     *           "lastStatus": 204,
                     *           "nextAttemptAt": null,
                     *           "state": "delivered"
                     *         }
                     *       ],
                     *       "ports": [
                     *         {
                     *           "containerPort": 6379,
                     *           "host": "127.0.0.1",
                     *           "hostPort": 49153,
                     *           "protocol": "tcp",
                     *           "scheme": "redis",
                     *           "url": "redis://127.0.0.1:49153"
                     *         }
                     *       ],
                     *       "reason": "expired",
                     *       "receipt": {
                     *         "attempts": 1,
                     *         "exitCode": 0,
                     *         "overshootMs": 190,
                     *         "reason": "expired",
                     *         "removedAt": "2026-11-24T10:00:00.190Z",
                     *         "requestedAt": "2026-11-24T10:00:00.000Z",
                     *         "stoppedAt": "2026-11-24T10:00:00.180Z"
                     *       },
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "standIn": false,
                     *       "startedAt": "2026-11-24T09:30:01.000Z",
                     *       "state": "ended"
                     *     }
                     */
                    "application/json": components["schemas"]["One"] & components["schemas"]["Timed"];
                };
            };
            /** @description - `invalid-lease-id`: The id in the path cannot be a lease's. */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /** @description - `store-unavailable`: The table cannot be used. */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    deleteContainer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The lease's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The container is gone. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "state": "ended",
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["Deleted"] & components["schemas"]["Timed"];
                };
            };
            /** @description The end is decided, and the reaper will finish it. */
            202: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "state": "ending",
                     *       "success": true
                     *     }
                     */
                    "application/json": components["schemas"]["Deleted"] & components["schemas"]["Timed"];
                };
            };
            /** @description - `invalid-lease-id`: The id in the path cannot be a lease's. */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `lease-contended`: Others changed the lease at the same moment. */
            409: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /** @description - `store-unavailable`: The table cannot be used. */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `storage-full`: On one machine, the disk of the table is full or takes no write; `/readyz` says which. */
            507: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    execInContainer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The lease's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Exec"];
            };
        };
        responses: {
            /** @description What has become of the command. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "exitCode": 0,
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "stderr": "",
                     *       "stdout": "hello\n",
                     *       "stillRunning": false,
                     *       "timedOut": false,
                     *       "truncated": {
                     *         "stderr": false,
                     *         "stdout": false
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["Executed"] & components["schemas"]["Timed"];
                };
            };
            /**
             * @description - `invalid-body`: The body is not a JSON object.
             *     - `invalid-request`: Fields of the body are wrong; `errors` names each with a sentence.
             *     - `invalid-lease-id`: The id in the path cannot be a lease's.
             */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description - `lease-over`: The lease has ended, or is ending, or its program has.
             *     - `lease-not-running`: The lease is still being provisioned.
             *     - `container-paused`: The operator has paused the container, and nothing can be run in it.
             */
            409: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `body-too-large`: The body is larger than is read. */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `cannot-run`: The container could not be started as asked, or the command is not in it. */
            422: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /**
             * @description - `engine-unavailable`: The Docker engine cannot be used; `/readyz` says why.
             *     - `store-unavailable`: The table cannot be used.
             */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getLog: {
        parameters: {
            query?: {
                /** @description The `cursor` of a line or of the page before, unchanged. */
                cursor?: string;
                /** @description With so many of the last lines, or `all`, which it is where it is left out. Not with a cursor. */
                tail?: string;
                /** @description With lines from this time on, or from so long ago: 90s, 15m, 2h, 1d. Not with a cursor. */
                since?: string;
                /** @description How many lines the page holds at most. */
                limit?: number | string;
                /** @description Only lines of this level and above. */
                level?: components["schemas"]["LogLevel"] | string;
                /** @description Only lines that hold this text, in whatever case. */
                search?: string;
            };
            header?: never;
            path: {
                /** @description The lease's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Lines, and where to go on. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cursor": "1795512601123456789.0_0",
                     *       "entries": [
                     *         {
                     *           "cursor": "1795512601123456789.0_0",
                     *           "level": "info",
                     *           "message": "* Ready to accept connections",
                     *           "stream": "stdout",
                     *           "timestamp": "2026-11-24T09:30:01.123456789Z"
                     *         }
                     *       ],
                     *       "gap": false,
                     *       "more": false,
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "state": "running"
                     *     }
                     */
                    "application/json": components["schemas"]["LogPage"] & components["schemas"]["Timed"];
                };
            };
            /**
             * @description - `invalid-lease-id`: The id in the path cannot be a lease's.
             *     - `invalid-query`: Parameters of the query are wrong; `errors` names each with a sentence.
             *     - `invalid-cursor`: The log cursor is not one.
             *     - `invalid-log-view`: The log's `tail`, `since`, `limit`, `level` or `search` cannot be used, or not together with `cursor`.
             */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /**
             * @description - `engine-unavailable`: The Docker engine cannot be used; `/readyz` says why.
             *     - `store-unavailable`: The table cannot be used.
             */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    renewContainer: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The lease's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Renew"];
            };
        };
        responses: {
            /** @description The lease, and what was granted. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": 0,
                     *       "cpuMilli": 500,
                     *       "createdAt": "2026-11-24T09:30:00.000Z",
                     *       "diskMB": 4096,
                     *       "egress": "open",
                     *       "expiryTime": "2026-11-24T10:01:00.000Z",
                     *       "granted": {
                     *         "addedSeconds": 60,
                     *         "capped": false,
                     *         "durationSeconds": 1800
                     *       },
                     *       "id": "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c",
                     *       "image": "redis:7-bookworm",
                     *       "imageType": "redis",
                     *       "labels": {
                     *         "team": "search"
                     *       },
                     *       "maximumExpiryTime": "2026-11-25T09:30:00.000Z",
                     *       "memoryMB": 256,
                     *       "name": "session cache",
                     *       "ports": [
                     *         {
                     *           "containerPort": 6379,
                     *           "host": "127.0.0.1",
                     *           "hostPort": 49153,
                     *           "protocol": "tcp",
                     *           "scheme": "redis",
                     *           "url": "redis://127.0.0.1:49153"
                     *         }
                     *       ],
                     *       "reason": null,
                     *       "receipt": null,
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "standIn": false,
                     *       "startedAt": "2026-11-24T09:30:01.000Z",
                     *       "state": "running"
                     *     }
                     */
                    "application/json": components["schemas"]["Renewed"] & components["schemas"]["Timed"];
                };
            };
            /**
             * @description - `invalid-body`: The body is not a JSON object.
             *     - `invalid-request`: Fields of the body are wrong; `errors` names each with a sentence.
             *     - `invalid-lease-id`: The id in the path cannot be a lease's.
             */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description - `lease-over`: The lease has ended, or is ending, or its program has.
             *     - `lease-not-running`: The lease is still being provisioned.
             *     - `lease-contended`: Others changed the lease at the same moment.
             */
            409: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `body-too-large`: The body is larger than is read. */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /** @description - `store-unavailable`: The table cannot be used. */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `storage-full`: On one machine, the disk of the table is full or takes no write; `/readyz` says which. */
            507: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getStats: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The lease's id. */
                id: string;
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description What its container uses. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "cpu": {
                     *         "limitMilli": 500,
                     *         "measuredMilliseconds": 502,
                     *         "percent": 0.2,
                     *         "percentOfLimit": 0.4,
                     *         "usedNanoseconds": 61523000
                     *       },
                     *       "disk": {
                     *         "limitBytes": 4294967296,
                     *         "usedBytes": 4096
                     *       },
                     *       "memory": {
                     *         "limitBytes": 268435456,
                     *         "usedBytes": 3190784
                     *       },
                     *       "network": {
                     *         "receivedBytes": 1016,
                     *         "sentBytes": 0
                     *       },
                     *       "processes": {
                     *         "count": 6,
                     *         "limit": 128
                     *       },
                     *       "readAt": "2026-11-24T09:31:00.000Z",
                     *       "serverTime": "2026-11-24T09:31:00.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Stats"] & components["schemas"]["Timed"];
                };
            };
            /** @description - `invalid-lease-id`: The id in the path cannot be a lease's. */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description - `lease-over`: The lease has ended, or is ending, or its program has.
             *     - `lease-not-running`: The lease is still being provisioned.
             *     - `container-paused`: The operator has paused the container, and nothing can be run in it.
             */
            409: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /**
             * @description - `engine-unavailable`: The Docker engine cannot be used; `/readyz` says why.
             *     - `store-unavailable`: The table cannot be used.
             */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    listImages: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The catalogue. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "durationMinutes": {
                     *         "default": 15,
                     *         "maximum": 1440,
                     *         "minimum": 1
                     *       },
                     *       "images": [
                     *         {
                     *           "command": [
                     *             "sh",
                     *             "-c",
                     *             "echo 'ubuntu is ready and stays until its lease ends'; exec sleep infinity"
                     *           ],
                     *           "cpuMilli": {
                     *             "default": 500,
                     *             "maximum": 2000
                     *           },
                     *           "description": "Ubuntu 24.04, a general purpose system with bash and apt.",
                     *           "diskMB": {
                     *             "default": 4096,
                     *             "maximum": 10240
                     *           },
                     *           "egress": [
                     *             "open",
                     *             "none"
                     *           ],
                     *           "image": "ubuntu:24.04",
                     *           "imageType": "ubuntu",
                     *           "memoryMB": {
                     *             "default": 256,
                     *             "maximum": 2048
                     *           },
                     *           "ports": [],
                     *           "presets": [
                     *             {
                     *               "cpuMilli": 250,
                     *               "memoryMB": 128,
                     *               "name": "small"
                     *             },
                     *             {
                     *               "cpuMilli": 500,
                     *               "memoryMB": 256,
                     *               "name": "medium"
                     *             },
                     *             {
                     *               "cpuMilli": 2000,
                     *               "memoryMB": 1024,
                     *               "name": "large"
                     *             }
                     *           ]
                     *         }
                     *       ],
                     *       "serverTime": "2026-11-24T09:31:00.000Z"
                     *     }
                     */
                    "application/json": components["schemas"]["Images"] & components["schemas"]["Timed"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
        };
    };
    getDescription: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of what the caller has already. */
                "If-None-Match"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The description. */
            200: {
                headers: {
                    ETag: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/json": Record<string, never>;
                };
            };
            /** @description It is as it was under that `ETag`. */
            304: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content?: never;
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
        };
    };
    provision: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name for this request, such as a random UUID. Sent again with the same body it answers with the same lease.
                 * @example 2f1c7d0e-6a55-4f0c-9d2b-7a1e5b8c4d3f
                 */
                "Idempotency-Key"?: string;
            };
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["Provision"];
            };
        };
        responses: {
            /** @description The lease; its container runs. */
            201: {
                headers: {
                    /** @description The path of the lease. */
                    Location: string;
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "attempts": 0,
                     *       "cpuMilli": 500,
                     *       "createdAt": "2026-11-24T09:30:00.000Z",
                     *       "diskMB": 4096,
                     *       "egress": "open",
                     *       "expiryTime": "2026-11-24T10:00:00.000Z",
                     *       "id": "0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c",
                     *       "image": "redis:7-bookworm",
                     *       "imageType": "redis",
                     *       "labels": {
                     *         "team": "search"
                     *       },
                     *       "maximumExpiryTime": "2026-11-25T09:30:00.000Z",
                     *       "memoryMB": 256,
                     *       "name": "session cache",
                     *       "ports": [
                     *         {
                     *           "containerPort": 6379,
                     *           "host": "127.0.0.1",
                     *           "hostPort": 49153,
                     *           "protocol": "tcp",
                     *           "scheme": "redis",
                     *           "url": "redis://127.0.0.1:49153"
                     *         }
                     *       ],
                     *       "reason": null,
                     *       "receipt": null,
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "standIn": false,
                     *       "startedAt": "2026-11-24T09:30:01.000Z",
                     *       "state": "running"
                     *     }
                     */
                    "application/json": components["schemas"]["Provisioned"] & components["schemas"]["Timed"];
                };
            };
            /**
             * @description - `invalid-body`: The body is not a JSON object.
             *     - `invalid-request`: Fields of the body are wrong; `errors` names each with a sentence.
             *     - `invalid-idempotency-key`: The `Idempotency-Key` cannot be one, or there are two.
             */
            400: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `lease-not-found`: There is no such lease, or it is somebody else's. */
            404: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description - `lease-over`: The lease has ended, or is ending, or its program has.
             *     - `lease-not-running`: The lease is still being provisioned.
             *     - `lease-contended`: Others changed the lease at the same moment.
             *     - `idempotency-conflict`: The `Idempotency-Key` was used for another request.
             */
            409: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `body-too-large`: The body is larger than is read. */
            413: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /**
             * @description - `cannot-run`: The container could not be started as asked, or the command is not in it.
             *     - `egress-stays-open`: The engine does not say that its machine has the firewall that keeps a lease from opening connections, or the list of those that it may open.
             */
            422: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `quota-reached`: You hold as much as allowed; `full` says of what, `freesUpAt` until when. */
            429: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            500: components["responses"]["Problem500"];
            /**
             * @description - `engine-unavailable`: The Docker engine cannot be used; `/readyz` says why.
             *     - `store-unavailable`: The table cannot be used.
             *     - `host-full`: The Docker host has no room for the lease; `full` and `freesUpAt` as with `quota-reached`.
             *     - `image-missing`: The image is not on the Docker host.
             *     - `runtime-missing`: The Docker engine does not have the runtime that this type of image is to run under.
             */
            503: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `storage-full`: On one machine, the disk of the table is full or takes no write; `/readyz` says which. */
            507: {
                headers: {
                    "Retry-After": components["headers"]["Retry-After"];
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
        };
    };
    getHealth: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description It answers. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "status": "ok"
                     *     }
                     */
                    "application/json": components["schemas"]["Health"] & components["schemas"]["Timed"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
        };
    };
    getReadiness: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description They can. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "engine": {
                     *         "state": "ok"
                     *       },
                     *       "status": "ready",
                     *       "table": {
                     *         "state": "ok"
                     *       },
                     *       "warnings": [
                     *         {
                     *           "command": "sudo infra/docker-host/firewall.sh up",
                     *           "detail": "Leased containers can open connections to the engine's machine, and reach a cloud's metadata: there is no firewall between them.",
                     *           "kind": "firewall-missing"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            500: components["responses"]["Problem500"];
            /** @description They cannot. */
            503: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "engine": {
                     *         "detail": "The engine cannot be reached.",
                     *         "state": "error"
                     *       },
                     *       "status": "unready",
                     *       "table": {
                     *         "state": "ok"
                     *       },
                     *       "warnings": []
                     *     }
                     */
                    "application/json": components["schemas"]["Readiness"];
                };
            };
        };
    };
}
