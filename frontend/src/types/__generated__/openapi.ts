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
         * @description Without `state`, lists leases that have not ended, oldest first. With `state=ended` or `state=all`, lists the history, newest first, in pages; only the history takes `limit` and `cursor`. A page that has a cursor may hold fewer leases than `limit`, or none.
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
         * @description Has the receipt once the lease has ended, as long as the server keeps its record.
         */
        get: operations["getContainer"];
        put?: never;
        post?: never;
        /**
         * End a lease
         * @description Accepted in every state. A lease that has ended remains readable, with its receipt.
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
         * @description Answers 200 whatever the exit code. At its timeout the command is killed with all its children.
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
         * @description Give either `cursor`, to continue from there, or `tail` and `since`. Works after the lease's end, too, as long as the server keeps its record.
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
         * Renew a lease
         * @description The new end is the requested duration from now, but never after `maximumExpiryTime` and never before the current end.
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
         * @description Takes half a second to measure the CPU, and up to two seconds if many files count towards the disk.
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
         * See what can be leased
         * @description Has each image type's limits and sizes, and the operator's limits for durations.
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
    "/api/me": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * See who you are
         * @description Has your owner, your role and your scopes.
         */
        get: operations["getMe"];
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
         * @description Changes only with a new version of the server.
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
         * @description Answers once the container runs. Requests with the same `Idempotency-Key` are carried out only once in 24 hours.
         */
        post: operations["provision"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tokens": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        /**
         * List tokens
         * @description Lists your owner's tokens, newest first; the list of a caller with the scope `admin` has those of all owners. A token's record stays for 30 days after its end.
         */
        get: operations["listTokens"];
        put?: never;
        /**
         * Make a token
         * @description The answer has the whole token, which nothing shows again. It never lives longer than the token that makes it.
         */
        post: operations["makeToken"];
        delete?: never;
        options?: never;
        head?: never;
        patch?: never;
        trace?: never;
    };
    "/api/tokens/{id}": {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        get?: never;
        put?: never;
        post?: never;
        /**
         * Revoke a token
         * @description From now on it is refused, and the logs that its holder watches are closed within 5 seconds. An admin revokes every token; every other caller the one that it presents.
         */
        delete: operations["revokeToken"];
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
         * @description Checks neither the table nor the engine.
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
         * @description Checks the table and the engine.
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
         * @description A lease. It has neither `env` nor `command` nor the URL of notifications, since they may
         *     hold secrets. Only answers to callers who may work with the
         *     lease have a password, in the URL of a port.
         */
        Container: {
            /**
             * Format: int32
             * @description Number of end attempts.
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
             * @description Mebibytes of the host's disk; null if no limit was set.
             */
            diskMB: number | null;
            egress: components["schemas"]["Egress"];
            expiryTime: components["schemas"]["Time"];
            id: components["schemas"]["LeaseId"];
            /** @description The image of the container; null before the container runs. */
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
        /** @description A port of a container, and its address. */
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
             * @description Percent of one CPU, over the last `measuredMilliseconds`.
             */
            percent: number;
            /**
             * Format: double
             * @description Percent of the lease's CPU limit.
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
            /** @description Always true: every state accepts a delete. */
            success: boolean;
        };
        /**
         * @description The state of a delivery.
         * @enum {string}
         */
        DeliveryState: "pending" | "delivered" | "failed" | "dropped";
        /** @description The container's writes and its volumes, together. */
        Disk: {
            /**
             * Format: int64
             * @description Null if no limit was set.
             */
            limitBytes: number | null;
            /**
             * Format: int64
             * @description Null if the engine did not answer in time.
             */
            usedBytes: number | null;
        };
        /**
         * @description Where its programs may open connections to: `open`, everywhere; `none`, nowhere; or the name of one of the operator's lists.
         * @example open
         */
        Egress: string;
        /**
         * @description The event that a notification reports.
         * @enum {string}
         */
        Event: "lease.expiring" | "lease.ended";
        Exec: {
            /** @description The program, which must not be empty, and its arguments: at most 8192 bytes of UTF-8 together. */
            command: string[];
            /** @description Its standard input: at most 32768 bytes of UTF-8. */
            stdin?: string | null;
            /**
             * @description The command is killed after this many seconds.
             * @default 10
             */
            timeoutSeconds?: number | null;
        };
        /** @description The answer to a command. */
        Executed: {
            /**
             * Format: int64
             * @description Null if the command was killed.
             */
            exitCode: number | null;
            stderr: string;
            stdout: string;
            /** @description Whether the command or one of its children could not be killed; null if unknown. */
            stillRunning: boolean | null;
            /** @description Whether the command was killed at its timeout. */
            timedOut: boolean;
            truncated: components["schemas"]["Truncated"];
        };
        /** @description What is wrong with one field, as a sentence for the caller. */
        FieldFault: {
            detail: string;
            /** @description The field of the body, or the parameter of the query. */
            field: string;
        };
        /** @description What a renewal granted. */
        Granted: {
            /**
             * Format: int64
             * @description By how many whole seconds the renewal moved the end.
             */
            addedSeconds: number;
            /** @description Whether `maximumExpiryTime` cut the requested duration short. */
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
         * @description The last lease of a page of the history.
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
            /** @description The choices of egress; the first is the default. */
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
         * @description A lease's id: a UUID of version 7 in canonical lower-case form, so ids sort by creation time.
         * @example 0193b6e0-8d5c-7cc3-9b1e-3f6f3d2a4b5c
         */
        LeaseId: string;
        /** @description One line of a container's log. */
        LogEntry: {
            /**
             * @description The cursor to continue after this line.
             * @example 1795512600123456789.0_0
             */
            cursor: string;
            /** @description The level that the line states, or the line that it belongs to; otherwise info. */
            level: components["schemas"]["LogLevel"];
            /**
             * @description The line without its line ending. Of a line that its program redrew, the last state. Bytes
             *     that are not UTF-8 are replaced.
             */
            message: string;
            /** @description Whether the message contains U+FFFD, which replaces bytes that are not UTF-8. */
            replaced?: boolean;
            stream: components["schemas"]["LogStream"];
            /**
             * Format: date-time
             * @description When the engine received it: RFC 3339 in UTC with nine decimals.
             */
            timestamp: string;
            /** @description Whether the line was cut, because it was too long to keep or to send. */
            truncated?: boolean;
        };
        /**
         * @description The level of a line.
         * @enum {string}
         */
        LogLevel: "trace" | "debug" | "info" | "warn" | "error";
        /** @description Lines of a log, the same as its viewers get. */
        LogPage: {
            /**
             * @description Where to continue; lines that the filters left out count as read.
             * @example 1795512600123456789.0_0
             */
            cursor: string;
            entries: components["schemas"]["LogEntry"][];
            /** @description Whether lines before or among these may be missing. */
            gap: boolean;
            /** @description Whether the log already has more lines after the cursor. */
            more: boolean;
            state: components["schemas"]["State"];
        };
        /**
         * @description The stream that a line was written to.
         * @enum {string}
         */
        LogStream: "stdout" | "stderr";
        /** @description A new token, with its secret. Nothing shows the secret again. */
        MadeToken: {
            /**
             * @description The whole token, which a program sends as `Authorization: Bearer TOKEN`.
             * @example cl_5f0c2a9d41be_0f1e2d3c4b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f0
             */
            secret: string;
            token: components["schemas"]["Token"];
        };
        MakeToken: {
            /**
             * @description After how many days it ends.
             * @default 90
             */
            expiresInDays?: number | null;
            /** @description What it is for: letters, digits, spaces, dots, underscores or hyphens, without a space at either end. */
            name: string;
            /** @description Whose leases its holder sees and makes; your own owner if left out. Only an admin names another. */
            owner?: string | null;
            /** @description `user` if left out. */
            role?: components["schemas"]["Role"] | null;
            /** @description What its holder may do, among the role's scopes; all of them if left out. */
            scopes?: components["schemas"]["Scope"][] | null;
        };
        /** @description A caller. */
        Me: {
            expiresAt: components["schemas"]["Time"] | null;
            /** @description Whose leases the caller sees and makes. */
            owner: string;
            role: components["schemas"]["Role"];
            /** @description What the caller may do. */
            scopes: components["schemas"]["Scope"][];
            /** @description Who it is: `local` for the user who runs the server, `token:ID` for the holder of a token. */
            subject: string;
        };
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
        /** @description A notification of a lease's owner, and the state of its delivery. */
        NotificationView: {
            /** Format: int32 */
            attempts: number;
            event: components["schemas"]["Event"];
            /** @description The id that the receiver sees. */
            id: string;
            /** @description Why the last attempt failed. */
            lastError: string | null;
            /**
             * Format: int32
             * @description The status of the receiver's last answer, if any.
             */
            lastStatus: number | null;
            nextAttemptAt: components["schemas"]["Time"] | null;
            state: components["schemas"]["DeliveryState"];
        };
        /** @description A lease with its notifications. */
        One: components["schemas"]["Container"] & {
            notifications: components["schemas"]["NotificationView"][];
        };
        /** @description The state of one part that leases need. */
        PartState: {
            /** @description What is wrong, in our own words. */
            detail?: string;
            state: components["schemas"]["Usable"];
        };
        /** @description A port of a container. */
        Port: {
            /** Format: int32 */
            containerPort: number;
            /** @description `tcp` or `udp`. */
            protocol: string;
            /** @description The scheme of the URL that reaches the port, if there is one. */
            scheme: string | null;
        };
        /** @description A port of the container: its number, or an object that may add a scheme. */
        PortAsked: number | {
            containerPort: number;
            /** @description The scheme of the port's URL. */
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
        /** @description What went wrong, in the format of RFC 9457. */
        Problem: {
            /** @description A sentence that says what to do. */
            detail: string;
            /** @description The first wrong fields, each with what is wrong. */
            errors?: components["schemas"]["FieldFault"][];
            /** @description The earliest lease end that makes room, if nothing else changes. */
            freesUpAt?: components["schemas"]["Time"] | null;
            /** @description The resources that are used up. */
            full?: components["schemas"]["Resource"][];
            /** @description The request's id in the server's log. */
            requestId: string;
            status: number;
            title: string;
            type: components["schemas"]["ProblemType"];
        };
        /**
         * @description docs/problems.md describes each.
         * @enum {string}
         */
        ProblemType: "urn:containerlease:problem:invalid-body" | "urn:containerlease:problem:invalid-request" | "urn:containerlease:problem:invalid-lease-id" | "urn:containerlease:problem:invalid-idempotency-key" | "urn:containerlease:problem:invalid-query" | "urn:containerlease:problem:invalid-cursor" | "urn:containerlease:problem:invalid-log-view" | "urn:containerlease:problem:sign-in-needed" | "urn:containerlease:problem:invalid-token" | "urn:containerlease:problem:foreign-origin" | "urn:containerlease:problem:unknown-caller" | "urn:containerlease:problem:not-allowed" | "urn:containerlease:problem:lease-not-found" | "urn:containerlease:problem:token-not-found" | "urn:containerlease:problem:route-not-found" | "urn:containerlease:problem:method-not-allowed" | "urn:containerlease:problem:too-slow" | "urn:containerlease:problem:lease-over" | "urn:containerlease:problem:lease-not-running" | "urn:containerlease:problem:lease-contended" | "urn:containerlease:problem:idempotency-conflict" | "urn:containerlease:problem:container-paused" | "urn:containerlease:problem:too-many-tokens" | "urn:containerlease:problem:body-too-large" | "urn:containerlease:problem:target-too-long" | "urn:containerlease:problem:cannot-run" | "urn:containerlease:problem:egress-stays-open" | "urn:containerlease:problem:websocket-expected" | "urn:containerlease:problem:quota-reached" | "urn:containerlease:problem:internal" | "urn:containerlease:problem:engine-unavailable" | "urn:containerlease:problem:store-unavailable" | "urn:containerlease:problem:host-full" | "urn:containerlease:problem:too-many-logs" | "urn:containerlease:problem:image-missing" | "urn:containerlease:problem:runtime-missing" | "urn:containerlease:problem:storage-full";
        /** @description Processes and threads. */
        Processes: {
            /** Format: int64 */
            count: number;
            /** Format: int64 */
            limit: number | null;
        };
        Provision: {
            /** @description The program, which must not be empty, and its arguments: at most 8192 bytes of UTF-8 together. */
            command?: string[] | null;
            /** @description Thousandths of a CPU. An image type may have a lower maximum, which GET /api/images has. */
            cpuMilli?: number | null;
            /** @description Mebibytes of the host's disk, for the container's writes and its volumes together. If the engine cannot enforce this, the reaper evicts a lease that uses more. An image type may have a lower maximum, which GET /api/images has. */
            diskMB?: number | null;
            /** @description The duration in minutes. Give exactly one of this and durationSeconds. The operator may have set another maximum, which GET /api/images has. */
            durationMinutes?: number | null;
            /** @description The duration in seconds, in place of durationMinutes. */
            durationSeconds?: number | null;
            /** @description Where the container's programs may open connections to: `open`, everywhere; `none`, nowhere, though its published ports stay reachable; or the name of one of the operator's lists. GET /api/images has the choices of each image type; the first is the default. All but `open` require a firewall on the Docker host. */
            egress?: string | null;
            /** @description Variables, which override the image type's own: at most 16384 bytes of UTF-8 together. No answer contains them. */
            env?: {
                [key: string]: string;
            } | null;
            /**
             * @description What to lease; GET /api/images lists all image types.
             * @enum {string}
             */
            imageType: "ubuntu" | "alpine" | "redis" | "nginx" | "python" | "postgres";
            /** @description Your own notes on the lease; the container does not see them. */
            labels?: {
                [key: string]: string;
            } | null;
            /** @description Mebibytes. An image type may have a lower maximum, which GET /api/images has. */
            memoryMB?: number | null;
            /** @description Your name for the lease: letters and digits of any script, spaces, dots, underscores and hyphens, without a space at either end. */
            name?: string | null;
            /** @description The secret that signs notifications: whsec_ and the base64 of 24 to 64 bytes. Without it the server generates one and returns it in the answer. Only with a notifyUrl. */
            notifySecret?: string | null;
            /**
             * Format: uri
             * @description The webhook for the lease's end: a URL on the public internet without a user name or a fragment. No answer contains it.
             */
            notifyUrl?: string | null;
            /** @description Whether redis or postgres gets a password, which the URL of its port then contains. The default is true, unless redis has a command of your own or env sets a password. */
            password?: boolean | null;
            /** @description Ports to publish in addition to the image type's own, each once. */
            ports?: components["schemas"]["PortAsked"][] | null;
            /** @description One of the image type's sizes. cpuMilli and memoryMB override it. */
            preset?: ("small" | "medium" | "large") | null;
            /** @description How many seconds before the end to send a warning as well. Less than the lease's duration, and only with a notifyUrl. */
            warnSeconds?: number | null;
        };
        /** @description A lease that was provisioned. No other answer has the secret. */
        Provisioned: components["schemas"]["Container"] & {
            notifySecret?: components["schemas"]["Secret"] | null;
        };
        /** @description The default, and the maximum that a caller may ask for. */
        Range: {
            /** Format: int32 */
            default: number;
            /** Format: int32 */
            maximum: number;
        };
        /** @description Whether leases can be made now, and what is wrong if not. */
        Readiness: {
            engine: components["schemas"]["PartState"];
            status: components["schemas"]["Ready"];
            table: components["schemas"]["PartState"];
            /** @description Faults for the operator to correct that do not prevent every lease. */
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
        /** @description Why and how a lease ended. */
        Receipt: {
            /** Format: int32 */
            attempts: number;
            /** @description Details of a failure or an eviction, if known, such as `out of memory, limit 64 MB`. */
            detail?: string | null;
            /** Format: int64 */
            exitCode: number | null;
            /** @description The last lines of its log, if its program ended by itself. */
            lastLines?: string[];
            /**
             * Format: int64
             * @description Milliseconds from `expiresAt` to `removedAt`. Only set if the lease expired and the time of
             *     the removal is known.
             */
            overshootMs: number | null;
            reason: components["schemas"]["Reason"];
            /** @description When we saw that the container was gone. */
            removedAt: components["schemas"]["Time"];
            requestedAt: components["schemas"]["Time"];
            stoppedAt: components["schemas"]["Time"] | null;
        };
        Renew: {
            /** @description The duration in minutes. Give exactly one of this and durationSeconds. The operator may have set another maximum, which GET /api/images has. */
            durationMinutes?: number | null;
            /** @description The duration in seconds, in place of durationMinutes. */
            durationSeconds?: number | null;
        };
        /** @description A lease that was renewed. */
        Renewed: components["schemas"]["Container"] & {
            granted: components["schemas"]["Granted"];
        };
        /**
         * @description A resource with a limit.
         * @enum {string}
         */
        Resource: "leases" | "cpuMilli" | "memoryMB" | "diskMB";
        /**
         * @description What somebody is for the owner of leases.
         * @enum {string}
         */
        Role: "viewer" | "user" | "admin";
        /**
         * @description One kind of thing that a caller may do.
         * @enum {string}
         */
        Scope: "read" | "lease" | "exec" | "admin";
        /** @description The key that signs notifications. Its text is `whsec_` and base64. */
        Secret: string;
        /**
         * @description The name of a state, in the table and in the API.
         * @enum {string}
         */
        State: "provisioning" | "running" | "ending" | "quarantined" | "ended";
        /** @description What a container uses. The names of the numbers have the units. */
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
        /** @description A token, without its secret. */
        Token: {
            createdAt: components["schemas"]["Time"];
            /** @description Who made it. */
            createdBy: string;
            expiresAt: components["schemas"]["Time"];
            id: components["schemas"]["TokenId"];
            lastUsedAt: components["schemas"]["Time"] | null;
            /** @description What it is for. */
            name: string;
            /** @description Whose leases its holder sees and makes. */
            owner: string;
            revokedAt: components["schemas"]["Time"] | null;
            role: components["schemas"]["Role"];
            /** @description What its holder may do. */
            scopes: components["schemas"]["Scope"][];
            state: components["schemas"]["TokenState"];
        };
        /**
         * @description The public part of a token.
         * @example 5f0c2a9d41be
         */
        TokenId: string;
        /**
         * @description Whether a token can be used.
         * @enum {string}
         */
        TokenState: "active" | "expired" | "revoked";
        /** @description Tokens, newest first. */
        Tokens: {
            tokens: components["schemas"]["Token"][];
        };
        /** @description Which streams the answer has cut short. */
        Truncated: {
            stderr: boolean;
            stdout: boolean;
        };
        /**
         * @description Whether a part can be used.
         * @enum {string}
         */
        Usable: "ok" | "error";
        /** @description A fault for the operator to correct. */
        Warning: {
            /** @description The command that corrects it, run on the engine's machine from this project's folder. */
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
        /**
         * @description - `sign-in-needed`: The request does not identify its caller.
         *     - `invalid-token`: The token is malformed or unknown, or it has expired or was revoked.
         */
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
         *     - `unknown-caller`: The authorizer did not identify the caller.
         *     - `not-allowed`: The caller's role, or the scopes of its token, do not allow it.
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
        /** @description - `internal`: The server failed; its log has the cause under the request id. */
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
        /** @description The number of seconds to wait before trying again. */
        "Retry-After": number;
        /** @description The request's id in the server's log. */
        "X-Request-Id": string;
    };
    pathItems: never;
}
export type $defs = Record<string, never>;
export interface operations {
    listContainers: {
        parameters: {
            query?: {
                /** @description Only leases in this state. `active` stands for every state but `ended`. */
                state?: "active" | "all" | "provisioning" | "running" | "ending" | "quarantined" | "ended";
                /** @description Only leases of this image type. */
                imageType?: "ubuntu" | "alpine" | "redis" | "nginx" | "python" | "postgres";
                /** @description Only leases with this label, `KEY` or `KEY:VALUE`. Repeat it to require several. */
                label?: string[];
                /** @description The maximum number of leases on a page of the history; the default is 50. Only the history takes `limit` and `cursor`. */
                limit?: number;
                /** @description The `cursor` of the previous page. */
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
            /** @description - `invalid-lease-id`: The id in the path is not a lease id. */
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
            /** @description The lease is ending; the reaper will finish it. */
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
            /** @description - `invalid-lease-id`: The id in the path is not a lease id. */
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
            /** @description - `storage-full`: On one machine, the table's disk is full or cannot be written; `/readyz` says which. */
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
            /** @description The command's output and exit code. */
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
             *     - `invalid-lease-id`: The id in the path is not a lease id.
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
             * @description - `lease-over`: The lease is ending or has ended, or its program has ended.
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
            /** @description - `body-too-large`: The body is larger than the server accepts. */
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
                /** @description The `cursor` of a line or of the previous page, unchanged. */
                cursor?: string;
                /** @description The number of last lines to begin with, or `all`, the default. Not with a cursor. */
                tail?: string;
                /** @description Only lines from this time on: a date and time, or an age such as 90s, 15m, 2h or 1d. Not with a cursor. */
                since?: string;
                /** @description The maximum number of lines on the page. */
                limit?: number | string;
                /** @description Only lines of this level and above. */
                level?: components["schemas"]["LogLevel"] | string;
                /** @description Only lines that contain this text, in upper or lower case. */
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
            /** @description Lines, and the cursor to continue from. */
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
             * @description - `invalid-lease-id`: The id in the path is not a lease id.
             *     - `invalid-query`: Parameters of the query are wrong; `errors` names each with a sentence.
             *     - `invalid-cursor`: The log cursor is malformed.
             *     - `invalid-log-view`: The log's `tail`, `since`, `limit`, `level` or `search` is invalid, or does not go with `cursor`.
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
             *     - `invalid-lease-id`: The id in the path is not a lease id.
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
             * @description - `lease-over`: The lease is ending or has ended, or its program has ended.
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
            /** @description - `body-too-large`: The body is larger than the server accepts. */
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
            /** @description - `storage-full`: On one machine, the table's disk is full or cannot be written; `/readyz` says which. */
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
            /** @description - `invalid-lease-id`: The id in the path is not a lease id. */
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
             * @description - `lease-over`: The lease is ending or has ended, or its program has ended.
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
    getMe: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The caller. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "expiresAt": "2027-02-22T09:30:00Z",
                     *       "owner": "search",
                     *       "role": "user",
                     *       "scopes": [
                     *         "read",
                     *         "lease"
                     *       ],
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "subject": "token:5f0c2a9d41be"
                     *     }
                     */
                    "application/json": components["schemas"]["Me"] & components["schemas"]["Timed"];
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
    getDescription: {
        parameters: {
            query?: never;
            header?: {
                /** @description The `ETag` of the caller's own copy. */
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
            /** @description It still matches that `ETag`. */
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
    provision: {
        parameters: {
            query?: never;
            header?: {
                /**
                 * @description A name for this request, such as a random UUID. If you send the same body again under the same key, the answer has the same lease.
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
             *     - `invalid-idempotency-key`: The `Idempotency-Key` is malformed, or there are two.
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
             * @description - `lease-over`: The lease is ending or has ended, or its program has ended.
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
            /** @description - `body-too-large`: The body is larger than the server accepts. */
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
             *     - `egress-stays-open`: The engine does not report the firewall that restricts a lease's outgoing connections, or that firewall lacks the requested list.
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
            /** @description - `quota-reached`: Your quota leaves no room for the lease; `full` names what is used up, `freesUpAt` says when there is room. */
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
             *     - `host-full`: The Docker host has no room for the lease; `full` and `freesUpAt` are as with `quota-reached`.
             *     - `image-missing`: The image is not on the Docker host.
             *     - `runtime-missing`: The Docker engine does not have the runtime that this image type needs.
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
            /** @description - `storage-full`: On one machine, the table's disk is full or cannot be written; `/readyz` says which. */
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
    listTokens: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description Tokens, without their secrets. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "tokens": [
                     *         {
                     *           "createdAt": "2026-11-24T09:30:00Z",
                     *           "createdBy": "local",
                     *           "expiresAt": "2027-02-22T09:30:00Z",
                     *           "id": "5f0c2a9d41be",
                     *           "lastUsedAt": null,
                     *           "name": "nightly tests",
                     *           "owner": "search",
                     *           "revokedAt": null,
                     *           "role": "user",
                     *           "scopes": [
                     *             "read",
                     *             "lease"
                     *           ],
                     *           "state": "active"
                     *         }
                     *       ]
                     *     }
                     */
                    "application/json": components["schemas"]["Tokens"] & components["schemas"]["Timed"];
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
    makeToken: {
        parameters: {
            query?: never;
            header?: never;
            path?: never;
            cookie?: never;
        };
        requestBody: {
            content: {
                "application/json": components["schemas"]["MakeToken"];
            };
        };
        responses: {
            /** @description The token, with its secret. */
            201: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "secret": "cl_5f0c2a9d41be_0f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a69780f1e2d3c4b5a6978",
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "token": {
                     *         "createdAt": "2026-11-24T09:30:00Z",
                     *         "createdBy": "local",
                     *         "expiresAt": "2027-02-22T09:30:00Z",
                     *         "id": "5f0c2a9d41be",
                     *         "lastUsedAt": null,
                     *         "name": "nightly tests",
                     *         "owner": "search",
                     *         "revokedAt": null,
                     *         "role": "user",
                     *         "scopes": [
                     *           "read",
                     *           "lease"
                     *         ],
                     *         "state": "active"
                     *       }
                     *     }
                     */
                    "application/json": components["schemas"]["MadeToken"] & components["schemas"]["Timed"];
                };
            };
            /**
             * @description - `invalid-body`: The body is not a JSON object.
             *     - `invalid-request`: Fields of the body are wrong; `errors` names each with a sentence.
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
            /** @description - `too-many-tokens`: The owner has as many tokens as are allowed. */
            409: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    "application/problem+json": components["schemas"]["Problem"];
                };
            };
            /** @description - `body-too-large`: The body is larger than the server accepts. */
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
            /** @description - `storage-full`: On one machine, the table's disk is full or cannot be written; `/readyz` says which. */
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
    revokeToken: {
        parameters: {
            query?: never;
            header?: never;
            path: {
                /** @description The token's id, the part between its underscores. */
                id: components["schemas"]["TokenId"];
            };
            cookie?: never;
        };
        requestBody?: never;
        responses: {
            /** @description The token. */
            200: {
                headers: {
                    "X-Request-Id": components["headers"]["X-Request-Id"];
                    [name: string]: unknown;
                };
                content: {
                    /**
                     * @example {
                     *       "createdAt": "2026-11-24T09:30:00Z",
                     *       "createdBy": "local",
                     *       "expiresAt": "2027-02-22T09:30:00Z",
                     *       "id": "5f0c2a9d41be",
                     *       "lastUsedAt": null,
                     *       "name": "nightly tests",
                     *       "owner": "search",
                     *       "revokedAt": "2026-11-24T09:31:00Z",
                     *       "role": "user",
                     *       "scopes": [
                     *         "read",
                     *         "lease"
                     *       ],
                     *       "serverTime": "2026-11-24T09:31:00.000Z",
                     *       "state": "revoked"
                     *     }
                     */
                    "application/json": components["schemas"]["Token"] & components["schemas"]["Timed"];
                };
            };
            401: components["responses"]["Problem401"];
            403: components["responses"]["Problem403"];
            /** @description - `token-not-found`: There is no such token, or it is somebody else's. */
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
            /** @description - `storage-full`: On one machine, the table's disk is full or cannot be written; `/readyz` says which. */
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
            /** @description Ready. */
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
            /** @description Unavailable. */
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
