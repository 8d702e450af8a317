def measurements(*a):
    return {}
