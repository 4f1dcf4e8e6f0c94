"""Tests of the assumptions behind the proofs, on the machine that makes them."""

from bounds.doctor.checks import Assumption as Assumption
from bounds.doctor.checks import Check as Check
from bounds.doctor.checks import assumptions as assumptions
from bounds.doctor.checks import check as check
from bounds.doctor.findings import Finding as Finding
