#!/usr/bin/python3
# falls.py TIMES PAUSE: logs an error with its release TIMES times, PAUSE seconds apart, then one more ends it: exit code 1.
import logging
import sys
import time

logging.basicConfig(stream=sys.stderr, format="%(asctime)s %(process)d %(levelname)s shop %(name)s: %(message)s")
log = logging.getLogger("shop.orders")


def confirm(order):
    return order["lines"][0]


def fall(order):
    raise RuntimeError("order %d can't be stored" % order)


for number in range(int(sys.argv[1])):
    try:
        confirm({"lines": []})
    except IndexError:
        log.exception("Could not confirm order %d release=2.0.1", number)
    time.sleep(float(sys.argv[2]))
fall(int(sys.argv[1]))
