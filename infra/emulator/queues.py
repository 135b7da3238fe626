"""Fixes for queues that invoke functions in MiniStack.

- Converts an event source's ``MaximumConcurrency``, which is a string if it is a parameter.
- Sending a batch needs ``sqs:SendMessage``; IAM has no action ``sqs:SendMessageBatch``.
- Lambda polls a queue with the function's role (``sqs:ReceiveMessage``, ``sqs:DeleteMessage``,
  ``sqs:GetQueueAttributes``), and does not invoke the function if the role lacks a permission.
  MiniStack does not check the role.
"""

from ministack.core import iam_actions
from ministack.services import lambda_svc

TAKING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")


def install(extend, may):
    """``extend`` and ``may`` are those of start.py."""

    def whole_numbers(mapping, _props):
        scaling = lambda_svc._esms[mapping].get("ScalingConfig")
        if scaling:
            scaling["MaximumConcurrency"] = int(scaling["MaximumConcurrency"])

    extend("AWS::Lambda::EventSourceMapping", whole_numbers)
    iam_actions.extract_iam_action = with_batches(iam_actions.extract_iam_action)
    lambda_svc._sqs_esm_concurrency = with_permissions(lambda_svc._sqs_esm_concurrency, may)


def with_batches(action_of):
    def action(*request):
        found = action_of(*request)
        return "sqs:SendMessage" if found == "sqs:SendMessageBatch" else found

    return action


def with_permissions(concurrency_of, may):
    def concurrency(mapping, function, config, *more):
        queue, role = mapping["EventSourceArn"], config["Role"]
        if not all(may(role, action, queue) for action in TAKING):
            return 0
        return concurrency_of(mapping, function, config, *more)

    return concurrency
