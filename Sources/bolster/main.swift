print("bolster")
