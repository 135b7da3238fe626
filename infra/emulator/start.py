"""Starts MiniStack with the AWS features that our template needs and MiniStack lacks.

The template is written for AWS and makes no concessions to the emulator: this program adds what
is missing.

- The routes in an HTTP API's OpenAPI body, without which every path answers 404.
- A table's TTL, point-in-time recovery and deletion protection.
- A function's reserved concurrency.
- ``AWS::ApiGatewayV2::Deployment``.
- WebSocket answers: MiniStack sends a function's answer to the client for every route, AWS
  only for a route that has a response.
- ``dynamodb:LeadingKeys``, the condition key with which our policies limit a function to the
  keys that it needs. MiniStack does not know it, and every request meets a ``ForAllValues``
  condition on an unknown key. Each item of a transaction is checked with its own key, as it is
  with its own action.
- AWS's host names: no name server here knows execute-api addresses, so functions get the
  emulator's address instead, and CloudFront forwards to it.
- Alarms with metric math: here such an alarm watches the first of its metrics.
- ``TCP_NODELAY`` for the runtime API, which saves 40 ms per invocation.
- Permissions for what AWS does with a role, as far as our template uses it. MiniStack does not
  check the role; here the role's policies are checked, as on AWS:
  Lambda writes a function's log with the function's role (``logs:CreateLogStream``,
  ``logs:PutLogEvents``), and sends failures to their destination with it
  (``sqs:SendMessage``). Scheduler invokes its target with the schedule's role
  (``lambda:InvokeFunction``), and sends undeliverable events to the dead-letter queue with it
  (``sqs:SendMessage``); MiniStack has no such queue.
- The fixes of ``queues.py`` for queues that invoke functions.

The environment is MiniStack's own; ``emulator.sh`` sets it.
"""

import json
import os
import re
import socketserver
import sys

# Before MiniStack is imported: some of its classes inherit from this one.
socketserver.StreamRequestHandler.disable_nagle_algorithm = True

import queues
from ministack import app
from ministack.core import iam_actions, iam_evaluator
from ministack.core.arn import parse_arn
from ministack.core.responses import get_account_id, get_region
from ministack.services import (
    apigateway,
    cloudfront,
    cloudwatch_logs,
    dynamodb,
    eventbridge,
    lambda_svc,
)
from ministack.services.cloudformation import provisioners

HANDLERS = provisioners._RESOURCE_HANDLERS


def checked(answer, what):
    """Refuses a resource when a call of MiniStack's own API for it has failed."""
    if answer[0] >= 400:
        raise ValueError(f"{what} failed: {answer[2]!r}")


def is_true(value):
    return str(value).lower() == "true"


def extend(resource_type, after):
    """Calls ``after(physical_id, props)`` when a resource was created or updated."""
    handlers = HANDLERS[resource_type]
    create, update = handlers["create"], handlers["update"]

    def create_all(logical_id, props, stack_name):
        physical_id, attributes = create(logical_id, props, stack_name)
        after(physical_id, props)
        return physical_id, attributes

    # Some updates also get the logical id.
    def update_all(physical_id, old_props, new_props, *more):
        physical_id, attributes = update(physical_id, old_props, new_props, *more)
        after(physical_id, new_props)
        return physical_id, attributes

    handlers.update(create=create_all, update=update_all)


# --- API Gateway ------------------------------------------------------------------------------


def routes_of_body(api_id, props):
    """Makes the routes and integrations that an OpenAPI body describes."""
    body = props.get("Body")
    if not isinstance(body, dict):
        return
    provisioners._apigw_v2._routes[api_id] = {}
    provisioners._apigw_v2._integrations[api_id] = {}
    for path, operations in (body.get("paths") or {}).items():
        for method, operation in operations.items():
            integration = operation.get("x-amazon-apigateway-integration")
            if integration is None:
                continue
            integration_id, _ = provisioners._apigw_v2_integration_create(
                "",
                {
                    "ApiId": api_id,
                    "IntegrationType": integration["type"].upper(),
                    "IntegrationUri": integration["uri"],
                    "IntegrationMethod": integration.get("httpMethod", "POST"),
                    "PayloadFormatVersion": integration.get("payloadFormatVersion", "2.0"),
                },
                "",
            )
            verb = "ANY" if method == "x-amazon-apigateway-any-method" else method.upper()
            key = "$default" if path in ("$default", "/$default") else f"{verb} {path}"
            provisioners._apigw_v2_route_create(
                "",
                {"ApiId": api_id, "RouteKey": key, "Target": f"integrations/{integration_id}"},
                "",
            )


def create_deployment(_logical_id, props, _stack_name):
    answer = provisioners._apigw_v2._create_deployment(
        props["ApiId"], {"description": props.get("Description", "")}
    )
    checked(answer, "AWS::ApiGatewayV2::Deployment")
    deployment_id = json.loads(answer[2])["deploymentId"]
    return deployment_id, {"DeploymentId": deployment_id}


def delete_deployment(physical_id, props):
    provisioners._apigw_v2._delete_deployment(props.get("ApiId", ""), physical_id)


def without_unasked_replies(invoke):
    """Sends a WebSocket route's answer to the client only if the route has a response."""

    async def invoked(
        api_id, account_id, region, route, stage, connection_id, event, *more, **named
    ):
        answer = await invoke(
            api_id, account_id, region, route, stage, connection_id, event, *more, **named
        )
        has_response = apigateway._route_responses.get(api_id, {}).get(route["routeId"])
        return answer if event != "MESSAGE" or has_response else None

    return invoked


apigateway._invoke_ws_lambda = without_unasked_replies(apigateway._invoke_ws_lambda)
extend("AWS::ApiGatewayV2::Api", routes_of_body)
HANDLERS["AWS::ApiGatewayV2::Deployment"] = {
    "create": create_deployment,
    "delete": delete_deployment,
}


# --- DynamoDB ---------------------------------------------------------------------------------


def table_settings(name, props):
    # A parameter's value is a string, and MiniStack treats the string false as true.
    protected = is_true(props.get("DeletionProtectionEnabled"))
    dynamodb._tables[name]["DeletionProtectionEnabled"] = protected
    ttl = props.get("TimeToLiveSpecification")
    if ttl:
        specification = {
            "AttributeName": ttl.get("AttributeName", ""),
            "Enabled": is_true(ttl.get("Enabled")),
        }
        checked(
            dynamodb._update_ttl({"TableName": name, "TimeToLiveSpecification": specification}),
            "TimeToLiveSpecification",
        )
    recovery = props.get("PointInTimeRecoverySpecification")
    if recovery:
        enabled = is_true(recovery.get("PointInTimeRecoveryEnabled"))
        checked(
            dynamodb._update_continuous_backups(
                {
                    "TableName": name,
                    "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": enabled},
                }
            ),
            "PointInTimeRecoverySpecification",
        )


extend("AWS::DynamoDB::Table", table_settings)


def partition_key(request):
    """The name of the partition key of a request's table or index."""
    table = dynamodb._tables.get(dynamodb._normalize_table_name(request.get("TableName", "")))
    if table is None:
        return None
    schema = table["KeySchema"]
    for index in [
        *(table.get("GlobalSecondaryIndexes") or []),
        *(table.get("LocalSecondaryIndexes") or []),
    ]:
        if index["IndexName"] == request.get("IndexName"):
            schema = index["KeySchema"]
    return next(key["AttributeName"] for key in schema if key["KeyType"] == "HASH")


def leading_keys(request):
    """The partition keys in a request, as in ``dynamodb:LeadingKeys``."""
    keys = []
    name = partition_key(request)
    if name is None:
        return keys
    for place in ("Key", "Item"):
        value = (request.get(place) or {}).get(name)
        if value:
            keys.extend(value.values())
    names = request.get("ExpressionAttributeNames") or {}
    values = request.get("ExpressionAttributeValues") or {}
    expression = request.get("KeyConditionExpression") or ""
    for attribute, placeholder in re.findall(r"(#?\w+)\s*=\s*(:\w+)", expression):
        if names.get(attribute, attribute) == name:
            keys.extend(values[placeholder].values())
    return keys


def with_leading_keys(context_of):
    def context(body):
        found = context_of(body)
        try:
            request = json.loads(body or b"{}")
        except ValueError:
            return found
        keys = leading_keys(request) if isinstance(request, dict) else []
        return {**found, "dynamodb:LeadingKeys": keys} if keys else found

    return context


iam_actions.dynamodb_service_context = with_leading_keys(iam_actions.dynamodb_service_context)


class ItemAction(str):
    """The action of one item of a transaction, with the item's keys."""

    keys = ()


def with_keys_of_items(checks_of):
    def checks(iam_action, body, region, account_id):
        if not checks_of(iam_action, body, region, account_id):
            return []
        found = []
        for item in json.loads(body)["TransactItems"]:
            alone = json.dumps({"TransactItems": [item]}).encode()
            for action, table in checks_of(iam_action, alone, region, account_id):
                action = ItemAction(action)
                action.keys = [key for detail in item.values() for key in leading_keys(detail)]
                found.append((action, table))
        return found

    return checks


def with_keys_of_item(enforced):
    def enforce(access_key_id, iam_action, *rest, service_context=None, **more):
        if isinstance(iam_action, ItemAction):
            service_context = {**service_context, "dynamodb:LeadingKeys": iam_action.keys}
        return enforced(access_key_id, iam_action, *rest, service_context=service_context, **more)

    return enforce


iam_actions.dynamodb_transaction_checks = with_keys_of_items(
    iam_actions.dynamodb_transaction_checks
)
iam_evaluator.enforce = with_keys_of_item(iam_evaluator.enforce)


# --- Lambda -----------------------------------------------------------------------------------


def concurrency(name, props):
    reserved = props.get("ReservedConcurrentExecutions")
    if reserved is None:
        checked(lambda_svc._delete_function_concurrency(name), "ReservedConcurrentExecutions")
    else:
        checked(
            lambda_svc._put_function_concurrency(
                name, {"ReservedConcurrentExecutions": int(reserved)}
            ),
            "ReservedConcurrentExecutions",
        )


extend("AWS::Lambda::Function", concurrency)

EXECUTE_API = re.compile(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")
HERE = f"{os.environ['AWS_ENDPOINT_URL']}/_aws/execute-api"


def with_names_of_here(environment_of):
    def environment(config, code_dir, port):
        variables = environment_of(config, code_dir, port)
        return {name: EXECUTE_API.sub(rf"{HERE}/\1", value) for name, value in variables.items()}

    return environment


lambda_svc._provided_worker_env = with_names_of_here(lambda_svc._provided_worker_env)


# --- CloudFront -------------------------------------------------------------------------------

API_HOST = re.compile(r"([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?:\.cn)?")


def with_apis_of_here(forward):
    def forwarded(origin, method, uri, *more, **named):
        api = API_HOST.fullmatch(origin["domain_name"])
        if api:
            here = {
                "domain_name": "127.0.0.1",
                "protocol_policy": "http-only",
                "http_port": int(os.environ["GATEWAY_PORT"]),
            }
            origin, uri = {**origin, **here}, f"/_aws/execute-api/{api[1]}{uri}"
        return forward(origin, method, uri, *more, **named)

    return forwarded


cloudfront._forward_to_origin = with_apis_of_here(cloudfront._forward_to_origin)


# --- CloudWatch -------------------------------------------------------------------------------


def with_metric_math(record_of):
    def record(name, props):
        queries = [one["MetricStat"] for one in props.get("Metrics") or [] if "MetricStat" in one]
        if queries:
            rest = {key: value for key, value in props.items() if key != "Metrics"}
            [first, *_] = queries
            watched = {"Statistic": first["Stat"], "Period": first["Period"]}
            props = {**rest, **first["Metric"], **watched}
        return record_of(name, props)

    return record


provisioners._cw_metric_alarm_record = with_metric_math(provisioners._cw_metric_alarm_record)


# --- what AWS does with a role ----------------------------------------------------------------


def may(role_arn, action, resource):
    """Whether the role's policies allow ``action`` on ``resource``."""
    account = get_account_id()
    context = iam_evaluator.EvalContext(
        principal_arn=role_arn,
        principal_type="AssumedRole",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
    )
    policies = iam_evaluator._gather_role_policies(role_arn.rsplit("/", 1)[-1], account)
    allowed = iam_evaluator.evaluate(context, policies).decision == "Allow"
    if not allowed:
        print(f"{role_arn} may not {action} on {resource}", file=sys.stderr, flush=True)
    return allowed


def with_log_permissions(emit):
    """If Lambda may not write a log, there is no error: the log is missing or empty."""

    def emitted(func, request_id, *more, **named):
        config = func.get("config") or func
        group = (config.get("LoggingConfig") or {}).get("LogGroup")
        if group is None or group not in cloudwatch_logs._log_groups:
            return emit(func, request_id, *more, **named)
        stream = f"denied/{request_id}"
        arn = (
            f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{group}:log-stream:{stream}"
        )
        if not may(config["Role"], "logs:CreateLogStream", arn):
            return None
        if not may(config["Role"], "logs:PutLogEvents", arn):
            names = {"logGroupName": group, "logStreamName": stream}
            return checked(cloudwatch_logs._create_log_stream(names), "CreateLogStream")
        return emit(func, request_id, *more, **named)

    return emitted


def with_destination_permission(route):
    def routed(target, function, event, result):
        role = lambda_svc._functions[function]["config"]["Role"]
        if ":sqs:" not in target or may(role, "sqs:SendMessage", target):
            route(target, function, event, result)

    return routed


def with_schedule_permissions(invoke):
    def invoked(target, event, rule, *more):
        role, function = target.get("RoleArn"), target.get("Arn", "")
        if event.get("Source") != "aws.scheduler" or ":lambda:" not in function:
            return invoke(target, event, rule, *more)
        if may(role, "lambda:InvokeFunction", function):
            return invoke(target, event, rule, *more)
        queue = (target.get("DeadLetterConfig") or {}).get("Arn")
        if queue and may(role, "sqs:SendMessage", queue):
            eventbridge._dispatch_to_sqs(parse_arn(queue), target.get("Input") or "{}")
        return None

    return invoked


lambda_svc._emit_lambda_logs = with_log_permissions(lambda_svc._emit_lambda_logs)
lambda_svc._route_async_failure = with_destination_permission(lambda_svc._route_async_failure)
eventbridge._invoke_target = with_schedule_permissions(eventbridge._invoke_target)
queues.install(extend, may)


if __name__ == "__main__":
    # The port is in the command line for people, and so that emulator.sh recognises its process.
    del sys.argv[1:]
    app.main()
